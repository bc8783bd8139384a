package ui_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait for the browser. Nothing depends on how long something takes within it.
const patience = 30 * time.Second

// chromium is a browser without a window, driven by its DevTools protocol over two pipes.
type chromium struct {
	process *exec.Cmd
	in      *os.File
	ended   chan struct{} // no more messages come

	mu      sync.Mutex
	last    int
	waiting map[int]chan reply
	tabs    map[string]*tab // by session
}

type reply struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// startChromium returns a browser that ends with the test. Without one the test is skipped, and fails in CI.
func startChromium(t *testing.T) *chromium {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no pipes that a program inherits by number")
	}
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	switch {
	case path == "" && os.Getenv("CI") != "":
		t.Fatal("no chromium on PATH: install the package chromium")
	case path == "":
		t.Skip("no chromium on PATH")
	}
	readEnd, in := pipe(t)
	out, writeEnd := pipe(t)
	home := t.TempDir()
	b := &chromium{in: in, ended: make(chan struct{}), waiting: map[int]chan reply{}, tabs: map[string]*tab{}}
	b.process = exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--remote-debugging-pipe", "--user-data-dir="+filepath.Join(home, "profile"), "about:blank")
	b.process.Env = append(os.Environ(), "HOME="+home)
	b.process.ExtraFiles = []*os.File{readEnd, writeEnd} // the browser's 3 and 4
	if err := b.process.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = readEnd.Close(), writeEnd.Close()
	go b.read(out)
	t.Cleanup(func() {
		_, _ = b.call(context.WithoutCancel(t.Context()), "", "Browser.close", nil)
		_ = in.Close()
		<-b.ended
		_ = out.Close()
		_ = b.process.Wait()
	})
	return b
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

func (b *chromium) read(out *os.File) {
	defer close(b.ended)
	messages := bufio.NewReader(out)
	for {
		line, err := messages.ReadBytes(0)
		if err != nil {
			return
		}
		var m struct {
			ID                int
			SessionID, Method string
			Params            json.RawMessage
			reply
		}
		if json.Unmarshal(line[:len(line)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		answer, of := b.waiting[m.ID], b.tabs[m.SessionID]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		switch {
		case answer != nil:
			answer <- m.reply
		case of != nil:
			of.event(m.Method, m.Params)
		}
	}
}

func (b *chromium) call(ctx context.Context, session, method string, params any) (json.RawMessage, error) {
	answer := make(chan reply, 1)
	b.mu.Lock()
	b.last++
	message, err := json.Marshal(map[string]any{"id": b.last, "sessionId": session, "method": method, "params": params})
	if session == "" {
		message, err = json.Marshal(map[string]any{"id": b.last, "method": method, "params": params})
	}
	b.waiting[b.last] = answer
	if err == nil {
		_, err = b.in.Write(append(message, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case r := <-answer:
		if r.Error != nil {
			return nil, errors.New(r.Error.Message)
		}
		return r.Result, nil
	case <-b.ended:
		return nil, errors.New("the browser has ended")
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

// tab is a page of the browser. It remembers what the page asked of the network and what it complained about.
type tab struct {
	t       *testing.T
	b       *chromium
	session string
	site    *site

	mu         sync.Mutex
	requests   []string
	complaints []string
}

// open returns a tab that closes with the test, of the site in a context of its own, without cookies, as wide as a desktop's.
func (b *chromium) open(t *testing.T, s *site) *tab {
	t.Helper()
	var browserContext struct {
		BrowserContextID string `json:"browserContextId"`
	}
	b.must(t, "", "Target.createBrowserContext", nil, &browserContext)
	var target struct{ TargetID string }
	b.must(t, "", "Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": browserContext.BrowserContextID}, &target)
	var attached struct{ SessionID string }
	b.must(t, "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	p := &tab{t: t, b: b, session: attached.SessionID, site: s}
	b.mu.Lock()
	b.tabs[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		p.send(domain+".enable", nil)
	}
	p.size(1280, 800)
	t.Cleanup(func() {
		_, _ = b.call(context.WithoutCancel(t.Context()), "", "Target.disposeBrowserContext", browserContext)
		b.mu.Lock()
		delete(b.tabs, p.session)
		b.mu.Unlock()
	})
	return p
}

func (b *chromium) must(t *testing.T, session, method string, params, result any) {
	t.Helper()
	raw, err := b.call(t.Context(), session, method, params)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	if result != nil {
		if err := json.Unmarshal(raw, result); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
	}
}

func (p *tab) send(method string, params map[string]any) {
	p.t.Helper()
	p.b.must(p.t, p.session, method, params, nil)
}

func (p *tab) event(method string, params json.RawMessage) {
	var e struct {
		Request          struct{ URL string }
		Entry            struct{ Source, Level, Text, URL string }
		Type             string
		ExceptionDetails json.RawMessage
	}
	if json.Unmarshal(params, &e) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch method {
	case "Network.requestWillBeSent":
		p.requests = append(p.requests, e.Request.URL)
	case "Runtime.exceptionThrown":
		p.complaints = append(p.complaints, string(e.ExceptionDetails))
	case "Runtime.consoleAPICalled":
		p.complaints = append(p.complaints, string(params))
	case "Log.entryAdded": // that an answer has a status such as 404 is for the test to judge
		if e.Entry.Source != "network" && (e.Entry.Level == "error" || e.Entry.Level == "warning") {
			p.complaints = append(p.complaints, e.Entry.Text)
		}
	}
}

// clean fails the test when the page complained of something, or asked another host for anything.
func (p *tab) clean() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complaints {
		p.t.Errorf("the console says: %s", c)
	}
	if len(p.requests) == 0 {
		p.t.Error("no request was seen")
	}
	own, _ := url.Parse(p.site.url)
	for _, r := range p.requests {
		to, err := url.Parse(r)
		if err != nil || to.Host != own.Host && !slices.Contains([]string{"about", "data", "blob"}, to.Scheme) {
			p.t.Errorf("a request went to %s", r)
		}
	}
}

// goTo opens a page of the site and waits until it is ready.
func (p *tab) goTo(path string) {
	p.t.Helper()
	p.send("Page.navigate", map[string]any{"url": p.site.url + path})
	p.until(fmt.Sprintf("document.readyState === 'complete' && location.pathname === %q", strings.SplitN(path, "?", 2)[0]))
}

// eval runs an expression in the page and returns its value.
func (p *tab) eval(expression string) (any, error) {
	p.t.Helper()
	raw, err := p.b.call(p.t.Context(), p.session, "Runtime.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
	})
	if err != nil {
		return nil, err
	}
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, err
	}
	if r.ExceptionDetails != nil {
		return nil, errors.New(r.ExceptionDetails.Text + " " + r.ExceptionDetails.Exception.Description)
	}
	return r.Result.Value, nil
}

func (p *tab) run(expression string) any {
	p.t.Helper()
	value, err := p.eval(expression)
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// until waits until an expression is true in the page, whichever page that is by then.
func (p *tab) until(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	watch := fmt.Sprintf(`new Promise((resolve) => {
		const look = () => { try { if (%s) { clearInterval(timer); resolve(true); } } catch { /* not yet */ } };
		const timer = setInterval(look, 20);
		setTimeout(() => { clearInterval(timer); resolve(false); }, 5000);
	})`, expression)
	for ctx.Err() == nil {
		if ok, err := p.eval(watch); err == nil && ok == true {
			return
		}
	}
	text, _ := p.eval("location.href + '\\n' + document.body.innerText")
	p.t.Fatalf("never true: %s\nthe page: %v", expression, text)
}

// sees waits until a text is visible in the page.
func (p *tab) sees(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// click clicks the first element that has the text or fits the selector.
func (p *tab) click(selector string) {
	p.t.Helper()
	p.run(fmt.Sprintf("document.querySelector(%q).click()", selector))
}

// typeInto replaces what a field holds as a user's keys would.
func (p *tab) typeInto(selector, text string) {
	p.t.Helper()
	p.run(fmt.Sprintf("(() => { const f = document.querySelector(%q); f.focus(); f.select(); })()", selector))
	if text == "" {
		p.key("Delete", 46)
		return
	}
	p.send("Input.insertText", map[string]any{"text": text})
}

func (p *tab) key(name string, code int) {
	p.t.Helper()
	for _, kind := range []string{"rawKeyDown", "keyUp"} {
		p.send("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code})
	}
}

func (p *tab) size(width, height int) {
	p.t.Helper()
	p.send("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
	})
}

func (p *tab) dark(on bool) {
	p.t.Helper()
	scheme := map[bool]string{true: "dark", false: "light"}[on]
	p.send("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
}

func (p *tab) language(header string) {
	p.t.Helper()
	p.send("Network.setExtraHTTPHeaders", map[string]any{"headers": map[string]string{"Accept-Language": header}})
}

// picture keeps what the page looks like among the test's artifacts (go test -artifacts).
func (p *tab) picture(name string) {
	p.t.Helper()
	var shot struct{ Data string }
	p.b.must(p.t, p.session, "Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	content, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.t.ArtifactDir(), name+".png"), content, 0o600); err != nil {
		p.t.Fatal(err)
	}
}
