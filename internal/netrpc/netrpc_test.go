package netrpc_test

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/rpc"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/netrpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Panda is a receiver with methods of every kind.
type Panda struct {
	entered chan struct{}
	release chan struct{}
}

type Query struct {
	Name string
	Tags map[string]int
}

type Closed struct{ Secret func() }

func (*Panda) Double(in int, out *int) error { *out = 2 * in; return nil }

func (*Panda) Greet(in *Query, out *string) error {
	*out = fmt.Sprint("hello ", in.Name, " ", in.Tags["a"])
	return nil
}
func (*Panda) Fill(n int, out *map[int]string) error { (*out)[n] = "n"; return nil }
func (*Panda) Fail(_ int, _ *int) error              { return errors.New("no bamboo left: 竹子") }
func (*Panda) Crash(_ int, _ *int) error             { panic("secret of the server") }
func (*Panda) Exit(_ int, _ *int) error              { runtime.Goexit(); return nil }
func (*Panda) Nothing(_ int, _ *Closed) error        { return nil }
func (*Panda) Any(_ int, out *any) error             { *out = struct{ X int }{1}; return nil } // not registered with gob
func (*Panda) Echo(in []byte, out *[]byte) error     { *out = in; return nil }
func (p *Panda) Wait(in int, out *int) error {
	p.entered <- struct{}{}
	<-p.release
	*out = in
	return nil
}
func (*Panda) NotForRPC(_ int) string { return "" }

type observed struct {
	mu    sync.Mutex
	calls map[string]int
}

func (o *observed) observe(method string, _ time.Duration, failed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls[fmt.Sprint(method, " ", failed)]++
}

func (o *observed) count(key string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.calls[key]
}

type bed struct {
	server *netrpc.Server
	panda  *Panda
	addr   string
	log    *strings.Builder // to be read when the calls are over
	seen   *observed
}

func start(t *testing.T, o netrpc.Options) *bed {
	t.Helper()
	b := &bed{panda: &Panda{make(chan struct{}, 1000), make(chan struct{})}, log: new(strings.Builder), seen: &observed{calls: map[string]int{}}}
	o.Logger, o.Observe = slog.New(slog.NewTextHandler(b.log, nil)), b.seen.observe
	b.server = netrpc.NewServer(o)
	if err := b.server.Register("Panda", b.panda); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(netrpc.Path, b.server)
	web := httptest.NewServer(mux)
	b.addr = web.Listener.Addr().String()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := b.server.Drain(ctx); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return b
}

func (b *bed) dial(t *testing.T) *rpc.Client {
	t.Helper()
	client, err := rpc.DialHTTP("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func call[R any](t *testing.T, client *rpc.Client, method string, arg any) (R, string) {
	t.Helper()
	var reply R
	if err := client.Call(method, arg, &reply); err != nil {
		if _, ok := errors.AsType[rpc.ServerError](err); !ok {
			t.Errorf("%s: %v is not the server's error", method, err)
		}
		return reply, err.Error()
	}
	return reply, ""
}

func TestCalls(t *testing.T) {
	b := start(t, netrpc.Options{})
	client := b.dial(t)
	if got, err := call[int](t, client, "Panda.Double", 21); got != 42 || err != "" {
		t.Errorf("Double: %d, %s", got, err)
	}
	if got, err := call[string](t, client, "Panda.Greet", Query{"bao", map[string]int{"a": 7}}); got != "hello bao 7" || err != "" {
		t.Errorf("Greet: %q, %s", got, err)
	}
	if got, err := call[map[int]string](t, client, "Panda.Fill", 3); got[3] != "n" || err != "" {
		t.Errorf("Fill: %v, %s", got, err)
	}
	for method, want := range map[string]string{
		"Panda.Fail":      "no bamboo left: 竹子",
		"Panda.Crash":     "rpc: Panda.Crash panicked",
		"Panda.Exit":      "rpc: Panda.Exit panicked",
		"Panda.Sleep":     "rpc: can't find method Panda.Sleep",
		"Panda.NotForRPC": "rpc: can't find method Panda.NotForRPC",
		"Bear.Double":     "rpc: can't find service Bear.Double",
		"nonsense":        "rpc: service/method request ill-formed: nonsense",
		"Panda.Any":       "rpc: encode the reply of Panda.Any: gob: type not registered for interface: struct { X int }",
		"Panda.Nothing":   "rpc: encode the reply of Panda.Nothing: gob: type netrpc_test.Closed has no exported fields",
	} {
		if _, err := call[int](t, client, method, 1); err != want {
			t.Errorf("%s: %q, want %q", method, err, want)
		}
	}
	if _, err := call[int](t, client, "Panda.Double", "text"); !strings.Contains(err, "gob: ") {
		t.Errorf("Double of a string: %q", err)
	}
	// The connection has survived all of that.
	if got, err := call[int](t, client, "Panda.Double", 4); got != 8 || err != "" {
		t.Errorf("Double: %d, %s", got, err)
	}
	for key, want := range map[string]int{"Panda.Double false": 2, "Panda.Double true": 1, "Panda.Fail true": 1, "Panda.Crash true": 1, "unknown true": 4} {
		if got := b.seen.count(key); got != want {
			t.Errorf("observed %q %d times, want %d", key, got, want)
		}
	}
	if log := b.log.String(); !strings.Contains(log, "secret of the server") || !strings.Contains(log, "netrpc_test.go") {
		t.Errorf("the panic and its stack are not in the log: %s", log)
	}
}

func TestConcurrentCalls(t *testing.T) {
	b := start(t, netrpc.Options{MaxConcurrent: 3})
	client := b.dial(t)
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			if got, err := call[int](t, client, "Panda.Double", i); got != 2*i || err != "" {
				t.Errorf("Double %d: %d, %s", i, got, err)
			}
		})
	}
	group.Wait()
}

func TestLongRequest(t *testing.T) {
	b := start(t, netrpc.Options{MaxRequestBytes: 10_000})
	client := b.dial(t)
	if got, err := call[[]byte](t, client, "Panda.Echo", make([]byte, 9000)); len(got) != 9000 || err != "" {
		t.Errorf("Echo: %d bytes, %s", len(got), err)
	}
	var reply []byte
	if err := client.Call("Panda.Echo", make([]byte, 1<<20), &reply); err == nil {
		t.Error("a long request was taken")
	}
	if got, err := call[int](t, b.dial(t), "Panda.Double", 1); got != 2 || err != "" {
		t.Errorf("a new connection: %d, %s", got, err)
	}
}

func TestDrainFinishesCalls(t *testing.T) {
	b := start(t, netrpc.Options{Patience: time.Hour})
	busy, idle := b.dial(t), b.dial(t)
	var reply int
	waiting := busy.Go("Panda.Wait", 5, &reply, nil)
	<-b.panda.entered

	drained := make(chan error)
	go func() { drained <- b.server.Drain(t.Context()) }()
	var refusal error
	for refusal == nil { // until the drain has begun
		var early *rpc.Client
		if early, refusal = netrpc.DialHTTP(t.Context(), b.addr); early != nil {
			early.Close()
		}
	}
	if !strings.Contains(refusal.Error(), "503") {
		t.Errorf("dial while draining: %v", refusal)
	}
	// A connection with a call at work still takes others.
	if got, err := call[int](t, busy, "Panda.Double", 4); got != 8 || err != "" {
		t.Errorf("Double: %d, %s", got, err)
	}
	close(b.panda.release)
	if <-waiting.Done; waiting.Error != nil || reply != 5 {
		t.Errorf("the call at work: %d, %v", reply, waiting.Error)
	}
	if err := <-drained; err != nil {
		t.Errorf("Drain: %v", err)
	}
	if err := idle.Call("Panda.Double", 1, new(int)); err == nil {
		t.Error("a connection without calls outlived the drain")
	}
}

func TestDrainGivesUp(t *testing.T) {
	b := start(t, netrpc.Options{})
	waiting := b.dial(t).Go("Panda.Wait", 5, new(int), nil)
	<-b.panda.entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.server.Drain(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 connections") {
		t.Errorf("Drain: %v", err)
	}
	if <-waiting.Done; waiting.Error == nil {
		t.Error("the call was answered")
	}
	close(b.panda.release)
}

// TestDrainUnderLoad drains a server whose clients never pause. Every call that a method was run for
// gets its answer, and the drain ends.
func TestDrainUnderLoad(t *testing.T) {
	b := start(t, netrpc.Options{})
	var group sync.WaitGroup
	var answered atomic.Int64
	enough := make(chan struct{})
	for range 4 {
		client := b.dial(t)
		for range 4 {
			group.Go(func() {
				for client.Call("Panda.Double", 1, new(int)) == nil {
					if answered.Add(1) == 500 {
						close(enough)
					}
				}
			})
		}
	}
	<-enough
	if err := b.server.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	group.Wait()
	if ran := b.seen.count("Panda.Double false"); int64(ran) != answered.Load() {
		t.Errorf("%d calls ran, %d were answered", ran, answered.Load())
	}
}

type misfit struct{}

type Bare struct{}

func TestRegister(t *testing.T) {
	s := netrpc.NewServer(netrpc.Options{})
	if err := s.Register("a.b", &Panda{}); err != nil {
		t.Errorf("a name with a dot: %v", err)
	}
	for name, c := range map[string]struct {
		service  string
		receiver any
		want     []string
	}{
		"twice":       {"a.b", &Panda{}, []string{`"a.b"`, "registered already"}},
		"no name":     {"", &Panda{}, []string{"the name is empty"}},
		"nil":         {"x", nil, []string{"the receiver is nil"}},
		"nil pointer": {"x", (*Panda)(nil), []string{"nil *netrpc_test.Panda"}},
		"a value":     {"x", Panda{}, []string{"pass a pointer"}},
		"no methods":  {"x", Bare{}, []string{"netrpc_test.Bare has no exported method"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.Register(c.service, c.receiver)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
		})
	}
	err := s.Register("x", onlyMisfits{})
	for _, want := range []string{
		"One takes 1 arguments, must take two", "Value takes int for its reply, must take a pointer",
		"Hidden takes netrpc_test.misfit, whose type is not exported", "HiddenReply takes *netrpc_test.misfit for its reply",
		"Silent returns 0 values", "Text returns string, must return an error", "Variadic takes 2 arguments",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

// onlyMisfits has no method that fits.
type onlyMisfits struct{}

func (onlyMisfits) One(int) error                  { return nil }
func (onlyMisfits) Value(int, int) error           { return nil }
func (onlyMisfits) Hidden(misfit, *int) error      { return nil }
func (onlyMisfits) HiddenReply(int, *misfit) error { return nil }
func (onlyMisfits) Silent(int, *int)               {}
func (onlyMisfits) Text(int, *int) string          { return "" }
func (onlyMisfits) Variadic(int, ...*int) error    { return nil }

func TestNotConnect(t *testing.T) {
	b := start(t, netrpc.Options{})
	resp, err := http.Get("http://" + b.addr + netrpc.Path)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "CONNECT" {
		t.Errorf("got %s %v", resp.Status, resp.Header)
	}
	w := httptest.NewRecorder() // cannot be hijacked, like HTTP/2
	b.server.ServeHTTP(w, httptest.NewRequest(http.MethodConnect, netrpc.Path, nil))
	if w.Code != http.StatusNotImplemented {
		t.Errorf("got %d", w.Code)
	}
}

func TestDialHTTP(t *testing.T) {
	b := start(t, netrpc.Options{})
	client, err := netrpc.DialHTTP(t.Context(), b.addr)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := call[int](t, client, "Panda.Double", 1); got != 2 || err != "" {
		t.Errorf("Double: %d, %s", got, err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}

	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	if _, err := netrpc.DialHTTP(t.Context(), web.Listener.Addr().String()); err == nil || !strings.Contains(err.Error(), `no net/rpc server there: it answers "404 Not Found"`) {
		t.Errorf("a web server: %v", err)
	}

	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mute.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := netrpc.DialHTTP(ctx, mute.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a mute server: %v", err)
	}
	if _, err := netrpc.DialHTTP(ctx, mute.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a context that is done: %v", err)
	}
}

// FuzzRequests sends anything in place of requests; the server answers or hangs up, and goes on serving
// others.
func FuzzRequests(f *testing.F) {
	var valid strings.Builder
	encoder := gob.NewEncoder(&valid)
	_ = encoder.Encode(rpc.Request{ServiceMethod: "Panda.Greet", Seq: 1})
	_ = encoder.Encode(Query{"x", map[string]int{"a": 1}})
	f.Add([]byte(valid.String()))
	f.Add([]byte(valid.String()[:20]))
	f.Add([]byte("\xf8\x7f\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("GET / HTTP/1.0\r\n\r\n"))
	server := netrpc.NewServer(netrpc.Options{MaxRequestBytes: 1 << 16})
	if err := server.Register("Panda", &Panda{}); err != nil {
		f.Fatal(err)
	}
	web := httptest.NewServer(server)
	f.Cleanup(web.Close)
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "Wait") { // it would
			return
		}
		c, err := net.Dial("tcp", web.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(append([]byte("CONNECT / HTTP/1.0\n\n"), data...)); err != nil {
			t.Fatal(err)
		}
		_ = c.(*net.TCPConn).CloseWrite()
		_, err = io.Copy(io.Discard, c)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			t.Fatal("the server neither answers nor hangs up")
		}
	})
}
