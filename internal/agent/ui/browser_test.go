package ui_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/ui"
	"github.com/pandakit/panda/internal/consulwire"
)

const refused = "Get \"http://10.0.0.7:8080/health\": dial tcp 10.0.0.7:8080: connect: connection refused"

// TestBrowser looks at the pages in a real browser.
func TestBrowser(t *testing.T) {
	b := startChromium(t)
	for _, test := range []struct {
		name string
		see  func(*testing.T, *chromium)
	}{
		{"Pictures", seePictures},
		{"Live", seeLive},
		{"LiveInstance", seeLiveInstance},
		{"ConnectionLost", seeConnectionLost},
		{"Keys", seeKeys},
		{"LanguageIsChosen", seeLanguageIsChosen},
		{"WithoutScript", seeWithoutScript},
		{"Keyboard", seeKeyboard},
		{"NarrowTables", seeNarrowTables},
		{"FirstService", seeFirstService},
		{"ReadOnly", seeReadOnly},
		{"NothingMoves", seeNothingMoves},
	} {
		t.Run(test.name, func(t *testing.T) { test.see(t, b) })
	}
}

// furnish fills the site with what a page must stand.
func furnish(t *testing.T, s *site) {
	t.Helper()
	s.set(t, "web", "web-1", consulwire.Passing, "HTTP GET http://10.0.0.7:8080/health: 200 OK Output: ok", "v1", "blue", "primary")
	s.set(t, "web", "web-2", consulwire.Critical, refused, "v1", "green")
	s.set(t, "web", "web-3", consulwire.Warning, "HTTP GET http://10.0.0.7:8080/health: 429 Too Many Requests Output: busy", "v2")
	s.set(t, "orders", "orders-1", consulwire.Passing, "ok", "grpc")
	s.set(t, "orders", "orders-2", consulwire.Passing, "ok", "grpc")
	s.set(t, "payments", "payments-1", consulwire.Warning, "slow: 812 ms", "grpc", "pci")
	s.set(t, "支付网关", "支付网关-1", consulwire.Passing, "正常", "生产环境", "版本二")
	s.set(t, "خدمة-البحث", "search-1", consulwire.Passing, "ok", "🐼", "emoji🎋")
	s.set(t, strings.Repeat("long-service-name-", 11), strings.Repeat("i", 200), consulwire.Critical,
		strings.Repeat("an output of ten kilobytes ", 380), manyTags(20)...)
	s.set(t, "batch", "batch-1", consulwire.Passing, "ok")
	s.write(t, func(w *catalog.Writer) error {
		c := check("n1", "batch-1", consulwire.ServiceMaintenancePrefix+"batch-1", "Service Maintenance Mode", consulwire.Critical, "")
		c.Notes = "moving to another disk"
		if err := w.SetCheck(c); err != nil {
			return err
		}
		return w.SetNode(&consulwire.Node{Node: "edge-cache-04.internal", Address: "10.0.0.12", Datacenter: "dc1", Meta: map[string]string{"rack": "r7"}})
	})
	s.kv.set("config/web/port", "8080")
	s.kv.set("config/web/tls/cert", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
	s.kv.set("config/web/settings.json", "{\n  \"workers\": 8,\n  \"greeting\": \"你好\",\n  \"timeout\": \"30s\"\n}\n")
	s.kv.set("large.json", strings.Repeat(`{"id":1,"name":"panda"},`, 20000))
	s.kv.set("config//web/../port", "8080")
	s.write(t, func(w *catalog.Writer) error {
		return w.SetInstance(&catalog.Instance{Node: "n1", NodeService: consulwire.NodeService{
			ID: "orders-1", Service: "orders", Tags: []string{"grpc"}, Address: "10.0.0.7", Port: 8080, Meta: map[string]string{"version": "1.4.2"},
			Weights: consulwire.Weights{Passing: 10, Warning: 1}, TaggedAddresses: map[string]consulwire.ServiceAddress{
				"lan": {Address: "10.0.0.7", Port: 8080}, "wan": {Address: "198.51.100.7", Port: 443},
			},
		}})
	})
	s.kv.set("leader", "web-1").Session = "adf4238a-882b-9ddc-4a9d-5b6758e4159e"
	s.kv.set("logo.png", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	s.kv.set(strings.Repeat("k", 200), "")
	s.kv.sessions = []ui.Session{
		{
			ID: "adf4238a-882b-9ddc-4a9d-5b6758e4159e", Name: "leader election", Node: "n1", TTL: "1m30s", LockDelay: 15 * time.Second,
			Behavior: "release", Checks: []string{"serfHealth"}, Keys: []string{"leader"},
		},
		{ID: "c0a8b2d7-3f51-4f2e-9f0a-0b7d2f4a6f11", Node: "n1", Behavior: "delete"},
	}
}

func manyTags(n int) []string {
	var tags []string
	for i := range n {
		tags = append(tags, fmt.Sprintf("tag-number-%d", i))
	}
	return append(tags, strings.Repeat("t", 200))
}

func seePictures(t *testing.T, b *chromium) {
	s := newSite(t, false)
	furnish(t, s)
	p := b.open(t, s)
	pages := map[string]string{
		"services": "/ui/services", "service": "/ui/service?name=web", "nodes": "/ui/nodes", "node": "/ui/node?name=n1", "keys": "/ui/kv",
		"key": "/ui/kv/key?key=" + url.QueryEscape("config/web/settings.json"), "binary": "/ui/kv/key?key=logo.png",
		"new": "/ui/kv/new?prefix=config/web/", "sessions": "/ui/sessions", "delete": "/ui/kv/delete?key=leader",
		"large": "/ui/kv/key?key=large.json", "locked": "/ui/kv/key?key=leader", "instances": "/ui/service?name=orders", "check": "/ui/check?node=n1&id=service:web-2",
		"nothing": "/ui/services?q=nothing", "escaped": "/ui/kv/key?key=" + url.QueryEscape("config//web/../port"),
		"long": "/ui/service?name=" + strings.Repeat("long-service-name-", 11), "problem": "/ui/nowhere",
	}
	for _, look := range []struct {
		name     string
		width    int
		dark     bool
		language string
	}{
		{"desktop-light-en", 1280, false, "en"}, {"desktop-dark-zh", 1280, true, "zh-CN"}, {"phone-dark-en", 390, true, "en"},
		{"phone-light-zh", 390, false, "zh-CN"}, {"small-phone-light-en", 320, false, "en"},
	} {
		p.size(look.width, 780)
		p.dark(look.dark)
		p.language(look.language)
		for name, path := range pages {
			p.goTo(path)
			p.picture(name + "-" + look.name)
			if over := p.run("document.documentElement.scrollWidth - document.documentElement.clientWidth"); over.(float64) > 0 {
				t.Errorf("%s, %s: %v px wider than the screen", name, look.name, over)
			}
			if p.run("(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)(document.querySelector('.top nav'))") == true {
				t.Errorf("%s, %s: the navigation is wider than the screen", name, look.name)
			}
			for _, faint := range p.run(contrast).([]any) {
				t.Errorf("%s, %s: %v", name, look.name, faint)
			}
			p.accessible(name + ", " + look.name)
		}
	}
	p.clean()
}

// contrast lists the texts whose contrast with what is behind them is below 4.5, or 3 where they are large.
const contrast = `(() => {
	const parse = (c) => { const n = c.match(/[\d.]+/g).map(Number); return c.startsWith('color(') ? [n[0] * 255, n[1] * 255, n[2] * 255, n[3] ?? 1] : [n[0], n[1], n[2], n[3] ?? 1]; };
	const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255]; };
	const faint = [];
	for (const e of document.querySelectorAll('body *')) {
		const says = [...e.childNodes].some((n) => n.nodeType === 3 && n.nodeValue.trim()) || ['INPUT', 'SELECT', 'TEXTAREA'].includes(e.tagName);
		if (!says || !e.checkVisibility()) continue;
		const style = getComputedStyle(e);
		const a = light(parse(style.color).slice(0, 3)), b = light(behind(e).slice(0, 3));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) faint.push(e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 40) + ': contrast ' + ratio.toFixed(2));
	}
	return faint;
})()`

func seeLive(t *testing.T, b *chromium) {
	s := newSite(t, false)
	s.set(t, "orders", "orders-1", consulwire.Passing, "ok", "v1")
	p := b.open(t, s)

	p.goTo("/ui/services")
	p.run("window.mark = 'same page'")
	s.set(t, "web", "web-1", consulwire.Passing, "ok", "blue")
	p.sees("web")
	s.set(t, "web", "web-1", consulwire.Critical, refused, "blue")
	p.until(`document.querySelector('tr[data-key=web]').dataset.status === 'critical' && document.querySelector('tbody tr').dataset.key === 'web'`)
	s.write(t, func(w *catalog.Writer) error { w.DeleteInstance("n1", "web-1"); return nil })
	p.until(`!document.querySelector('tr[data-key=web]')`)

	p.typeInto("#q", "v1") // a filter by tag, as it is typed
	p.until("location.search === '?q=v1'")
	s.set(t, "other", "other-1", consulwire.Passing, "ok", "v1", "late")
	s.set(t, "hidden", "hidden-1", consulwire.Passing, "ok", "v2")
	p.sees("late")
	if p.run("document.body.innerText.includes('hidden')") == true {
		t.Error("the filter is forgotten when something changes")
	}
	if p.run("window.mark") != "same page" || p.run("document.activeElement.id") != "q" {
		t.Error("the page was loaded again, or lost the focus")
	}
	p.clean()
}

func seeLiveInstance(t *testing.T, b *chromium) {
	s := newSite(t, false)
	s.set(t, "web", "web-1", consulwire.Passing, "all is well")
	s.set(t, "web", "web-2", consulwire.Passing, "all is well")
	p := b.open(t, s)
	p.goTo("/ui/service?name=web")
	p.run(`window.mark = document.querySelector('li[data-key="n1 web-2"]'); window.mark.querySelector('summary + *') && mark.querySelectorAll('details.check')[0].querySelector('summary').click()`)
	p.run(`mark.querySelector('details.check summary').focus()`)
	s.set(t, "web", "web-1", consulwire.Critical, refused)
	p.sees("connection refused") // a failing check's output needs no click
	if p.run("document.querySelector('.cards').firstElementChild.dataset.key") != "n1 web-1" {
		t.Error("the failing instance is not the first")
	}
	if p.run("mark.isConnected && mark.querySelector('details.check').open && document.activeElement === mark.querySelector('details.check summary')") != true {
		t.Error("what was open or had the focus does not any more")
	}
	s.set(t, "web", "web-1", consulwire.Passing, "all is well again")
	p.until(`!document.querySelector('li[data-key="n1 web-1"] details.check').open`)
	s.write(t, func(w *catalog.Writer) error {
		w.DeleteInstance("n1", "web-1")
		w.DeleteInstance("n1", "web-2")
		return nil
	})
	p.sees("This service has no instance")
	s.set(t, "web", "web-3", consulwire.Passing, "back")
	p.sees("web-3")
	p.clean()
}

func seeConnectionLost(t *testing.T, b *chromium) {
	s := newSite(t, false)
	p := b.open(t, s)
	p.goTo("/ui/services")
	p.sees("Live")
	s.cut(true)
	p.sees("Connection lost, retrying…")
	p.picture("lost")
	s.set(t, "web", "web-1", consulwire.Passing, "ok")
	s.cut(false)
	p.until(`document.querySelector('tr[data-key=web]') && document.querySelector('#connection').dataset.state === 'live'`)
	p.clean()
}

func seeKeys(t *testing.T, b *chromium) {
	s := newSite(t, false)
	p := b.open(t, s)
	p.goTo("/ui/kv")
	p.click("a.button.main")
	p.until("document.querySelector('#key')")
	p.typeInto("#key", "config/…/你好 <b>&\"'%2F")
	p.typeInto("#value", "\nfirst\n  二 🐼\n")
	p.click("button[type=submit]")
	p.sees("Saved.")
	const key = "config/…/你好 <b>&\"'%2F"
	if pair := s.kv.Get(s.state.View(), key); pair == nil || string(pair.Value) != "\nfirst\n  二 🐼\n" || pair.Flags != 0 {
		t.Fatalf("stored %+v", pair)
	}
	if got := p.run("document.querySelector('#value').value"); got != "\nfirst\n  二 🐼\n" {
		t.Errorf("the form shows %q", got)
	}

	s.kv.set(key, "theirs") // while the form is open
	p.sees("This key was changed since you opened it.")
	if p.run("document.body.innerText.includes('Saved.')") == true {
		t.Error("a key that was changed by somebody else is still said to be saved")
	}
	p.typeInto("#value", "mine")
	p.typeInto("#flags", "42")
	p.click("button[type=submit]")
	p.sees("Not saved: the key is not what it was when you began.")
	p.sees("theirs")
	p.picture("conflict")
	if got := string(s.kv.Get(s.state.View(), key).Value); got != "theirs" {
		t.Errorf("a conflicting change was overwritten with %q", got)
	}
	if p.run("document.querySelector('#value').value + document.querySelector('#flags').value") != "mine42" {
		t.Error("what was typed is lost")
	}
	p.click("button[type=submit]") // meaning it
	p.sees("Saved.")
	if pair := s.kv.Get(s.state.View(), key); string(pair.Value) != "mine" || pair.Flags != 42 {
		t.Errorf("stored %+v", pair)
	}

	p.click("a.danger")
	p.sees("Delete this key")
	p.click("button.danger")
	p.sees("Deleted.")
	if s.kv.Get(s.state.View(), key) != nil {
		t.Error("the key is still there")
	}
	s.kv.set("config/…/live", "1")
	p.sees("live")
	p.clean()
}

func seeLanguageIsChosen(t *testing.T, b *chromium) {
	s := newSite(t, false)
	p := b.open(t, s)
	p.language("fr, zh-TW;q=0.9, en;q=0.8")
	p.goTo("/ui/nodes?q=n")
	p.sees("节点")
	p.click("a.language")
	p.until("document.documentElement.lang === 'en' && location.search === '?q=n'")
	p.goTo("/ui/services") // the choice is kept
	p.sees("Services")
	p.click("a.language")
	p.until("document.documentElement.lang === 'zh-Hans'")
	p.clean()
}

// seeWithoutScript holds that every page is whole without JavaScript.
func seeWithoutScript(t *testing.T, b *chromium) {
	s := newSite(t, false)
	s.set(t, "web", "web-1", consulwire.Critical, refused, "blue")
	s.set(t, "other", "other-1", consulwire.Passing, "ok")
	p := b.open(t, s)
	p.send("Network.setBlockedURLs", map[string]any{"urls": []string{"*/live.js*"}})
	p.goTo("/ui/services")
	if p.run("document.querySelector('#connection').textContent") != "" {
		t.Error("the page says that it is live")
	}
	p.typeInto("#q", "blue")
	p.key("Tab", 9)
	p.key("Tab", 9)
	p.key("Tab", 9)
	p.send("Input.dispatchKeyEvent", map[string]any{"type": "char", "text": "\r"})
	p.until("location.search.startsWith('?q=blue') && document.querySelectorAll('tbody tr').length === 1")
	p.goTo("/ui/kv/new")
	p.typeInto("#key", "plain")
	p.typeInto("#value", "form")
	p.click("button[type=submit]")
	p.sees("Saved.")
	p.clean()
}

// seeKeyboard goes through the page by Tab alone: the link over the navigation comes first, and what has the focus
// is seen to have it.
func seeKeyboard(t *testing.T, b *chromium) {
	s := newSite(t, false)
	s.set(t, "web", "web-1", consulwire.Critical, refused)
	p := b.open(t, s)
	p.goTo("/ui/service?name=web")
	p.key("Tab", 9)
	if got := p.run("document.activeElement.textContent + document.activeElement.getBoundingClientRect().left"); got != "Skip to the content0" {
		t.Errorf("first is %v", got)
	}
	seen := map[string]bool{}
	for range 20 {
		p.key("Tab", 9)
		where := p.run("(() => { const e = document.activeElement; return e.tagName + ' ' + getComputedStyle(e).outlineStyle; })()").(string)
		seen[strings.Fields(where)[0]] = true
		if !strings.HasPrefix(where, "BODY") && strings.HasSuffix(where, "none") {
			t.Errorf("the focus is not seen on %s", where)
		}
	}
	for _, element := range []string{"A", "SUMMARY", "PRE"} {
		if !seen[element] {
			t.Errorf("no %s is reached by Tab: %v", element, seen)
		}
	}
	p.clean()
}

// accessible holds that a screen reader has a name for all that can be used, and a way around the page.
func (p *tab) accessible(name string) {
	p.t.Helper()
	type value struct{ Value any }
	var tree struct {
		Nodes []struct {
			Ignored    bool
			Role, Name value
		}
	}
	p.b.must(p.t, p.session, "Accessibility.getFullAXTree", nil, &tree)
	roles := map[any]int{}
	for _, n := range tree.Nodes {
		if n.Ignored {
			continue
		}
		roles[n.Role.Value]++
		switch n.Role.Value {
		case "link", "button", "textbox", "searchbox", "combobox", "navigation", "region", "heading", "image", "DisclosureTriangle":
			if n.Name.Value == nil || n.Name.Value == "" {
				p.t.Errorf("%s: a %v without a name", name, n.Role.Value)
			}
		}
	}
	for _, landmark := range []string{"banner", "main", "contentinfo"} {
		if roles[landmark] != 1 {
			p.t.Errorf("%s: %d times %s", name, roles[landmark], landmark)
		}
	}
	if n := p.run("document.querySelectorAll('h1').length"); n != 1.0 || roles["navigation"] == 0 {
		p.t.Errorf("%s: %v first headings, %d navigations", name, n, roles["navigation"])
	}
	if twice := p.run("[...document.querySelectorAll('[id]')].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i).join()"); twice != "" {
		p.t.Errorf("%s: twice the id %v", name, twice)
	}
}

// seeNarrowTables holds that where the titles of columns have no room, each cell says what it is.
func seeNarrowTables(t *testing.T, b *chromium) {
	s := newSite(t, false)
	s.set(t, "web", "web-1", consulwire.Critical, refused, "blue")
	s.kv.set("k", "v")
	p := b.open(t, s)
	for _, width := range []int{390, 1280} {
		p.size(width, 844)
		for path, want := range map[string]string{
			"/ui/nodes": "Address,Status,Instances", "/ui/node?name=n1": "Address,Status", "/ui/services": "Tags,Instances", "/ui/kv": "Size",
		} {
			if width > 640 {
				want = ""
			}
			p.goTo(path)
			labels := p.run(`[...document.querySelectorAll('tbody td')].map((e) => (getComputedStyle(e, '::before').content.match(/^"([^"]*)"/) || [])[1]).filter(Boolean).join()`)
			if labels != want {
				t.Errorf("%s, %d px wide: cells are labelled %q, want %q", path, width, labels, want)
			}
		}
	}
	p.clean()
}

// seeFirstService holds that a new agent says how a service is registered until one is.
func seeFirstService(t *testing.T, b *chromium) {
	s := newSite(t, false)
	s.write(t, func(w *catalog.Writer) error {
		return w.SetInstance(&catalog.Instance{Node: "n1", NodeService: consulwire.NodeService{ID: "consul", Service: "consul", Port: 8300}})
	})
	p := b.open(t, s)
	for _, look := range []struct {
		name, language string
		width          int
		dark           bool
	}{{"desktop-light-en", "en", 1280, false}, {"phone-dark-zh", "zh-CN", 390, true}, {"phone-light-en", "en", 390, false}} {
		p.size(look.width, 1200)
		p.dark(look.dark)
		p.language(look.language)
		p.goTo("/ui/services")
		p.picture("first-" + look.name)
		p.accessible(look.name)
		for _, faint := range p.run(contrast).([]any) {
			t.Errorf("%s: %v", look.name, faint)
		}
	}
	p.sees("No service of yours is registered yet")
	s.set(t, "web", "web-1", consulwire.Passing, "ok")
	p.until(`document.querySelector('tr[data-key=web]') && !document.querySelector('.start')`)
	p.clean()
}

// seeReadOnly looks at what the pages are without changes, and when something does not work.
func seeReadOnly(t *testing.T, b *chromium) {
	s := newSite(t, true)
	furnish(t, s)
	p := b.open(t, s)
	for _, look := range []struct {
		name, language string
		width          int
		dark           bool
	}{{"desktop-light-zh", "zh-CN", 1280, false}, {"phone-dark-en", "en", 390, true}} {
		p.size(look.width, 844)
		p.dark(look.dark)
		p.language(look.language)
		for name, path := range map[string]string{
			"services": "/ui/services", "keys": "/ui/kv", "key": "/ui/kv/key?key=leader", "large": "/ui/kv/key?key=large.json",
			"binary": "/ui/kv/key?key=logo.png", "refused": "/ui/kv/new", "unsafe": "/ui/nodes",
		} {
			s.lossy.Store(name == "unsafe")
			p.goTo(path)
			p.picture("readonly-" + name + "-" + look.name)
			if over := p.run("document.documentElement.scrollWidth - document.documentElement.clientWidth"); over.(float64) > 0 {
				t.Errorf("%s, %s: %v px wider than the screen", name, look.name, over)
			}
			for _, faint := range p.run(contrast).([]any) {
				t.Errorf("%s, %s: %v", name, look.name, faint)
			}
			p.accessible(name + ", " + look.name)
		}
	}
	p.clean()
}

// seeNothingMoves holds that what is there stays in its place when a page becomes live and when something changes that
// orders nothing anew.
func seeNothingMoves(t *testing.T, b *chromium) {
	s := newSite(t, false)
	furnish(t, s)
	p := b.open(t, s)
	const moved = `(() => { for (const e of window.shifts.takeRecords()) { window.moved += e.value; } return window.moved; })()`
	for _, width := range []int{390, 1280} {
		p.size(width, 844)
		for _, path := range []string{"/ui/services", "/ui/nodes", "/ui/service?name=web"} {
			p.goTo(path)
			p.sees("Live")
			p.run(`window.moved = 0; window.shifts = new PerformanceObserver((all) => { for (const e of all.getEntries()) { window.moved += e.value; } }); window.shifts.observe({ type: 'layout-shift', buffered: true })`)
			s.set(t, "web", "web-2", consulwire.Critical, fmt.Sprint("timeout after ", width, " ms"), "v1", "green")
			s.set(t, "orders", "orders-3", consulwire.Passing, "ok", "grpc")
			switch path {
			case "/ui/services":
				p.until(`document.querySelector('tr[data-key=orders]').textContent.includes('3 passing')`)
			case "/ui/nodes":
				p.until(`document.querySelector('tr[data-key=n1]').textContent.includes('6 passing')`)
			default:
				p.sees(fmt.Sprint("timeout after ", width, " ms"))
			}
			p.run(`new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))`)
			if by := p.run(moved).(float64); by > 0.01 {
				t.Errorf("%s, %d px wide: the page moves by %v", path, width, by)
			}
			s.write(t, func(w *catalog.Writer) error { w.DeleteInstance("n1", "orders-3"); return nil })
		}
	}
	p.clean()
}
