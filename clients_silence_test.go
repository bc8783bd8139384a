package panda_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/rpc"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/inmemory"
	"github.com/pandakit/panda/internal/loadbalance/lifesign"
	"github.com/pandakit/panda/internal/netrpc"
)

// veil stands before a server. While it is drawn it takes connections, and what is sent on them, and nothing gets through.
type veil struct {
	backend  string
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	drawn chan struct{} // closed when it is lifted; nil while it is
	held  [][]byte      // what clients have sent since it was drawn
	conns map[net.Conn]struct{}
	ended bool
}

func veiled(t *testing.T, backend string) *veil {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &veil{backend: backend, listener: listener, conns: map[net.Conn]struct{}{}}
	v.running.Go(v.accept)
	t.Cleanup(v.end)
	return v
}

func (v *veil) end() {
	v.lift()
	v.listener.Close()
	v.mu.Lock()
	v.ended = true
	for c := range v.conns {
		c.Close()
	}
	v.mu.Unlock()
	v.running.Wait()
}

func (v *veil) accept() {
	for {
		client, err := v.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", v.backend)
		if err != nil {
			client.Close()
			continue
		}
		v.mu.Lock()
		v.conns[client], v.conns[server] = struct{}{}, struct{}{}
		if v.ended {
			client.Close()
			server.Close()
		}
		v.mu.Unlock()
		v.running.Go(func() { v.pass(server, client, true) })
		v.running.Go(func() { v.pass(client, server, false) })
	}
}

// pass hands on what one side says, and that it has hung up.
func (v *veil) pass(to, from net.Conn, fromClient bool) {
	defer to.Close()
	defer from.Close()
	p := make([]byte, 64<<10)
	for {
		n, err := from.Read(p)
		v.mu.Lock()
		drawn := v.drawn
		if drawn != nil && fromClient && n > 0 {
			v.held = append(v.held, bytes.Clone(p[:n]))
		}
		v.mu.Unlock()
		if drawn != nil {
			<-drawn
		}
		if _, failed := to.Write(p[:n]); failed != nil || err != nil {
			return
		}
	}
}

func (v *veil) draw() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drawn, v.held = make(chan struct{}), nil
}

func (v *veil) lift() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.drawn != nil {
		close(v.drawn)
		v.drawn = nil
	}
}

// swallowed counts what was sent since the veil was drawn and begins with one of the words.
func (v *veil) swallowed(words ...string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for _, sent := range v.held {
		for _, word := range words {
			if bytes.HasPrefix(sent, []byte(word)) {
				n++
			}
		}
	}
	return n
}

// calls counts what was sent since the veil was drawn and is neither a question nor the greeting of net/rpc.
func (v *veil) calls() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for _, sent := range v.held {
		if !bytes.HasPrefix(sent, []byte("OPTIONS *")) && !bytes.HasPrefix(sent, []byte("CONNECT ")) {
			n++
		}
	}
	return n
}

// named puts the server behind the address into the registry.
func named(t *testing.T, registry *inmemory.Registry, id, address string) {
	t.Helper()
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	registry.Put(discovery.Instance{ID: id, Service: "test", Address: at.IP.String(), Port: at.Port, Weight: 1})
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// backend is a server without Panda that tells its name, over HTTP and net/rpc.
type backend struct {
	id      string
	address string
	served  atomic.Int64
	work    atomic.Int64 // nanoseconds
}

// Name is for net/rpc.
func (b *backend) Name(_ int, name *string) error {
	b.serve(context.Background())
	*name = b.id
	return nil
}

func (b *backend) serve(ctx context.Context) {
	b.served.Add(1)
	select {
	case <-time.After(time.Duration(b.work.Load())):
	case <-ctx.Done():
	}
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.serve(r.Context())
	io.WriteString(w, b.id)
}

// foreign starts a server. With options it answers "OPTIONS *" itself, by that status.
func foreign(t *testing.T, id string, options int) *backend {
	t.Helper()
	b := &backend{id: id}
	calls := rpc.NewServer()
	if err := calls.RegisterName("Backend", b); err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodConnect:
			calls.ServeHTTP(w, r)
		case r.RequestURI == "*":
			w.WriteHeader(options)
		default:
			b.ServeHTTP(w, r)
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, DisableGeneralOptionsHandler: options != 0}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-ended })
	b.address = listener.Addr().String()
	return b
}

// ask makes a request and returns the answer.
func ask(ctx context.Context, client *http.Client, method string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://test.service.consul/", strings.NewReader("ask"))
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// answer is who answered what.
type answer struct {
	what, by string
	err      error
}

func (a answer) String() string { return fmt.Sprintf("%s by %q, %v", a.what, a.by, a.err) }

// A request that must not be sent again stays where it is, one that may is made anew as soon as there is another instance.
func TestSilenceMovesHTTPRequestsThatMayBeSentAgain(t *testing.T) {
	t.Parallel()
	registry := inmemory.New()
	victim, other := foreign(t, "victim", 0), foreign(t, "other", 0)
	veil := veiled(t, victim.address)
	named(t, registry, "victim", veil.listener.Addr().String())
	client := httpClient(t, registry)
	if by, err := ask(t.Context(), client, http.MethodGet); by != "victim" || err != nil {
		t.Fatalf("answered by %q, %v", by, err)
	}
	veil.draw()
	methods := []string{http.MethodGet, http.MethodPut, http.MethodPost}
	answers := make(chan answer, len(methods))
	for _, method := range methods {
		go func() {
			by, err := ask(context.WithoutCancel(t.Context()), client, method)
			answers <- answer{method, by, err}
		}()
	}
	eventually(t, "all are under way", func() bool { return veil.swallowed(methods...) == len(methods) })
	named(t, registry, "other", other.address)
	for range 2 {
		if first := <-answers; first.what == http.MethodPost || first.by != "other" || first.err != nil {
			t.Errorf("%v; want one that was made anew", first)
		}
	}
	for range 200 {
		if by, err := ask(t.Context(), client, http.MethodPost); by != "other" || err != nil {
			t.Fatalf("answered by %q, %v, while the other instance says nothing", by, err)
		}
	}
	if n := veil.calls(); n != len(methods) {
		t.Errorf("%d requests went to the instance that says nothing, want the %d before that", n, len(methods))
	}
	served := victim.served.Load()
	veil.lift()
	if last := <-answers; last.what != http.MethodPost || last.by != "victim" || last.err != nil {
		t.Errorf("%v; want the request that had waited", last)
	}
	eventually(t, "it serves again", func() bool {
		if _, err := ask(t.Context(), client, http.MethodPost); err != nil {
			t.Fatal(err)
		}
		return victim.served.Load() > served+4
	})
}

// A call that waits for a connection has been seen by nobody.
func TestSilenceMovesRPCCallsThatWaitForAConnection(t *testing.T) {
	t.Parallel()
	registry := inmemory.New()
	veil := veiled(t, foreign(t, "victim", 0).address)
	named(t, registry, "victim", veil.listener.Addr().String())
	client := rpcClient(t, registry)
	veil.draw()
	const callers = 3 // one of them connects, the others wait for that
	answers := make(chan answer, callers)
	for range callers {
		go func() {
			var by string
			err := client.Call(context.WithoutCancel(t.Context()), "Backend.Name", 0, &by)
			answers <- answer{"net/rpc", by, err}
		}()
	}
	eventually(t, "it is silent", func() bool { return panda.SilentOverRPC(client) == 1 })
	named(t, registry, "other", foreign(t, "other", 0).address)
	for range callers {
		if a := <-answers; a.by != "other" || a.err != nil {
			t.Errorf("%v; want a call that went to the other", a)
		}
	}
}

// Calls that are made one after the other find out with the first ones.
func TestSilentInstancesGetNoNewCalls(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]func(t *testing.T, registry discovery.Registry) (func(context.Context) (string, error), func() int){
		"HTTP": func(t *testing.T, registry discovery.Registry) (func(context.Context) (string, error), func() int) {
			t.Helper()
			client := httpClient(t, registry)
			return func(ctx context.Context) (string, error) { return ask(ctx, client, http.MethodGet) },
				func() int { return panda.SilentOverHTTP(client) }
		},
		"net/rpc": func(t *testing.T, registry discovery.Registry) (func(context.Context) (string, error), func() int) {
			t.Helper()
			client := rpcClient(t, registry)
			return func(ctx context.Context) (by string, err error) {
				err = client.Call(ctx, "Backend.Name", 0, &by)
				return by, err
			}, func() int { return panda.SilentOverRPC(client) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := inmemory.New()
			victim, other := foreign(t, "victim", 0), foreign(t, "other", 0)
			veil := veiled(t, victim.address)
			named(t, registry, "victim", veil.listener.Addr().String())
			named(t, registry, "other", other.address)
			call, silent := client(t, registry)
			eventually(t, "both have answered", func() bool {
				if _, err := call(t.Context()); err != nil {
					t.Fatal(err)
				}
				return victim.served.Load() > 0 && other.served.Load() > 0
			})
			veil.draw()
			var callers sync.WaitGroup
			waiting := make(chan answer, 4)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			for range cap(waiting) {
				callers.Go(func() {
					for ctx.Err() == nil {
						by, err := call(context.WithoutCancel(ctx))
						if by == "victim" || err != nil {
							waiting <- answer{name, by, err}
							return
						}
					}
				})
			}
			eventually(t, "it is silent", func() bool { return silent() == 1 })
			sent := veil.calls()
			for range 200 {
				if by, err := call(t.Context()); by != "other" || err != nil {
					t.Fatalf("answered by %q, %v", by, err)
				}
			}
			if n := veil.calls(); n != sent || n == 0 || n > 3*cap(waiting) {
				t.Errorf("%d calls went to the silent instance, then %d", sent, n-sent)
			}
			veil.lift()
			served := victim.served.Load()
			eventually(t, "it serves again", func() bool {
				if _, err := call(t.Context()); err != nil {
					t.Fatal(err)
				}
				return victim.served.Load() > served+10
			})
			stop()
			callers.Wait()
			close(waiting)
			for a := range waiting {
				if a.err != nil {
					t.Error(a)
				}
			}
		})
	}
}

func TestSlowServersAreNotSilent(t *testing.T) {
	t.Parallel()
	var callers sync.WaitGroup
	defer callers.Wait()
	for _, options := range []int{0, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		registry := inmemory.New()
		slow, other := foreign(t, "slow", options), foreign(t, "other", options)
		for _, b := range []*backend{slow, other} {
			b.work.Store(int64(1200 * time.Millisecond)) // longer than it takes to notice silence
			named(t, registry, b.id, b.address)
		}
		web, calls := httpClient(t, registry), rpcClient(t, registry)
		callers.Go(func() {
			var eight sync.WaitGroup
			for range 4 {
				eight.Go(func() {
					if _, err := ask(t.Context(), web, http.MethodGet); err != nil {
						t.Error(err)
					}
				})
				eight.Go(func() {
					var by string
					if err := calls.Call(t.Context(), "Backend.Name", 0, &by); err != nil {
						t.Error(err)
					}
				})
			}
			eight.Wait()
			if n := slow.served.Load() + other.served.Load(); n != 8 {
				t.Errorf("8 calls to servers that answer OPTIONS with %d were sent %d times", options, n)
			}
		})
	}
}

// With nobody left to take them calls wait, and are told why.
func TestSilenceOfAllIsExplained(t *testing.T) {
	t.Parallel()
	registry := inmemory.New()
	victim := foreign(t, "victim", 0)
	veil := veiled(t, victim.address)
	named(t, registry, "victim", veil.listener.Addr().String())
	web, calls := httpClient(t, registry), rpcClient(t, registry)
	veil.draw()
	answers := make(chan answer, 4)
	both := func() {
		go func() {
			by, err := ask(context.WithoutCancel(t.Context()), web, http.MethodPost)
			answers <- answer{"POST", by, err}
		}()
		go func() {
			var by string
			err := calls.Call(context.WithoutCancel(t.Context()), "Backend.Name", 0, &by)
			answers <- answer{"net/rpc", by, err}
		}()
	}
	both()
	for name, call := range map[string]func(ctx context.Context) error{
		"HTTP":    func(ctx context.Context) error { _, err := ask(ctx, web, http.MethodGet); return err },
		"net/rpc": func(ctx context.Context) error { var by string; return calls.Call(ctx, "Backend.Name", 0, &by) },
	} {
		eventually(t, name+" tells why", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err := call(ctx)
			if err == nil {
				t.Fatalf("%s was answered", name)
			}
			return strings.Contains(err.Error(), "it answers nothing") && strings.Contains(err.Error(), "victim")
		})
	}
	both()
	veil.lift()
	for range cap(answers) {
		if a := <-answers; a.by != "victim" || a.err != nil {
			t.Errorf("%v; want one that had waited", a)
		}
	}
}

// An answer that has begun is the caller's, however long the instance then says nothing.
func TestSilenceLeavesAnswersThatHaveBegunAlone(t *testing.T) {
	t.Parallel()
	registry := inmemory.New()
	goOn := make(chan struct{})
	service := newService(registry)
	service.Handle("GET /", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "begun, ")
		_ = http.NewResponseController(w).Flush()
		<-goOn
		io.WriteString(w, "ended")
	}))
	run(t, service)
	at := instance(t, registry)
	behind := veiled(t, at.Endpoint())
	names := inmemory.New()
	named(t, names, "victim", behind.listener.Addr().String())
	client := httpClient(t, names)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://test.service.consul/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	behind.draw()
	close(goOn)
	moved := make(chan answer, 1)
	go func() {
		by, err := ask(t.Context(), client, http.MethodGet)
		moved <- answer{"GET", by, err}
	}()
	eventually(t, "a second request is under way", func() bool { return behind.swallowed(http.MethodGet) == 1 })
	other := foreign(t, "other", 0)
	named(t, names, "other", other.address)
	if a := <-moved; a.by != "other" || a.err != nil {
		t.Errorf("%v; want one that was made anew", a)
	}
	behind.lift()
	if body, err := io.ReadAll(response.Body); string(body) != "begun, ended" || err != nil {
		t.Errorf("read %q, %v", body, err)
	}
}

// Clients end while they wait for a sign of life.
func TestClosingWhileAnInstanceIsSilent(t *testing.T) {
	t.Parallel()
	registry := inmemory.New()
	veil := veiled(t, foreign(t, "victim", 0).address)
	named(t, registry, "victim", veil.listener.Addr().String())
	web, calls := httpClient(t, registry), rpcClient(t, registry)
	var by string
	if err := calls.Call(t.Context(), "Backend.Name", 0, &by); err != nil {
		t.Fatal(err)
	}
	veil.draw()
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	callers.Go(func() {
		if _, err := ask(ctx, web, http.MethodPost); err == nil {
			t.Error("HTTP: answered")
		}
	})
	callers.Go(func() {
		var by string
		if err := calls.Call(t.Context(), "Backend.Name", 0, &by); err == nil {
			t.Error("net/rpc: answered")
		}
	})
	eventually(t, "it is silent", func() bool { return panda.SilentOverHTTP(web)+panda.SilentOverRPC(calls) == 2 })
	web.CloseIdleConnections()
	if err := calls.Close(); err != nil {
		t.Error(err)
	}
	cancel()
	callers.Wait()
}

// A service takes a question for a sign of life for what it is: no call, and nothing to tell of.
func TestServicesMakeNothingOfSignsOfLife(t *testing.T) {
	t.Parallel()
	registry := inmemory.New()
	var logged lockedBuffer
	service := newService(registry, panda.WithLogger(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	service.Handle("/", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s reached a handler", r.Method, r.RequestURI)
	}))
	service.HandleRPC("Panda", new(Panda))
	running := run(t, service)
	at := instance(t, registry)
	address := at.Endpoint()
	before := logged.String()
	for range 3 {
		for _, question := range []lifesign.Question{lifesign.Options(address), {Address: address, Text: netrpc.Greeting}} {
			if got := question.Ask(t.Context()); got != lifesign.Alive {
				t.Errorf("%q is answered by %v", question.Text, got)
			}
		}
	}
	metrics := get(t, http.DefaultClient, "http://"+address+"/metrics")
	for line := range strings.Lines(metrics) {
		counted := strings.HasPrefix(line, "http_") || strings.HasPrefix(line, "rpc_")
		if counted && !strings.HasSuffix(line, " 0\n") {
			t.Errorf("counted: %s", line)
		}
	}
	if err := running.end(); err != nil {
		t.Error(err)
	}
	told := strings.TrimPrefix(logged.String(), before)
	for line := range strings.Lines(told) {
		if strings.Contains(line, "rpc") || strings.Contains(line, "OPTIONS") || strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			t.Errorf("logged: %s", line)
		}
	}
}

// lockedBuffer is a buffer for several writers.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
