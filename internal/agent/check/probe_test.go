package check

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/pandakit/panda/internal/consulwire"
)

func ask(t *testing.T, d Definition) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return d.probe()(ctx)
}

func expect(t *testing.T, got Result, status, output string) {
	t.Helper()
	if got.Status != status || !strings.Contains(got.Output, output) {
		t.Errorf("got %+v, want %s and %q in the output", got, status, output)
	}
}

func TestHTTPStatus(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/busy":
			w.WriteHeader(http.StatusTooManyRequests)
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case "/redirect":
			http.Redirect(w, r, "/busy", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/big":
			_, _ = w.Write([]byte(strings.Repeat("x", 1<<20)))
		default:
			_, _ = w.Write([]byte("all well"))
		}
	}))
	defer server.Close()
	at := func(path string) Definition { return Definition{HTTP: server.URL + path, Interval: time.Second} }
	expect(t, ask(t, at("/")), consulwire.Passing, "200 OK Output: all well")
	expect(t, ask(t, at("/busy")), consulwire.Warning, "429")
	expect(t, ask(t, at("/broken")), consulwire.Critical, "500")
	expect(t, ask(t, at("/redirect")), consulwire.Warning, "429")
	expect(t, ask(t, at("/loop")), consulwire.Critical, "stopped after 10 redirects")
	still := at("/redirect")
	still.DisableRedirects = true
	expect(t, ask(t, still), consulwire.Critical, "302")
	if got := ask(t, at("/big")); len(got.Output) > 2*MaxOutput {
		t.Errorf("output of %d bytes was read", len(got.Output))
	}
}

func TestHTTPRequest(t *testing.T) {
	var got *http.Request
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var b strings.Builder
		_ = r.Write(&b)
		got, body = r, b.String()
	}))
	defer server.Close()
	d, err := FromRegistration(&consulwire.CheckRegistration{
		HTTP: server.URL + "/h", Method: "PUT", Body: "ping", Interval: consulwire.Duration(time.Second),
		Header: map[string][]string{"x-key": {"a", "b"}, "host": {"other.example"}, "User-Agent": {"mine"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, ask(t, d), consulwire.Passing, "HTTP PUT")
	if got.Method != http.MethodPut || got.Host != "other.example" || !strings.HasSuffix(body, "ping") ||
		len(got.Header["X-Key"]) != 2 || got.UserAgent() != "mine" || got.Header.Get("Accept") == "" {
		t.Errorf("the target got\n%s", body)
	}
}

func TestHTTPS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = nil
	defer server.Close()
	d := Definition{HTTP: server.URL, Interval: time.Second}
	expect(t, ask(t, d), consulwire.Critical, "certificate")
	d.TLSSkipVerify = true
	expect(t, ask(t, d), consulwire.Passing, "200")
}

func TestHTTPDown(t *testing.T) {
	expect(t, ask(t, Definition{HTTP: "http://" + closedPort(t), Interval: time.Second}), consulwire.Critical, "connection refused")
}

func TestTCP(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	address := server.Listener.Addr().String()
	expect(t, ask(t, Definition{TCP: address}), consulwire.Passing, "TCP connect "+address+": Success")
	expect(t, ask(t, Definition{TCP: address, TCPUseTLS: true}), consulwire.Critical, "certificate")
	expect(t, ask(t, Definition{TCP: address, TCPUseTLS: true, TLSSkipVerify: true}), consulwire.Passing, "Success")
	expect(t, ask(t, Definition{TCP: closedPort(t)}), consulwire.Critical, "connection refused")
}

// closedPort returns an address at which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// grpcServer serves health: all is SERVING, the service "down" is not.
func grpcServer(t *testing.T, options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	states := health.NewServer()
	states.SetServingStatus("down", healthpb.HealthCheckResponse_NOT_SERVING)
	states.SetServingStatus("a/b", healthpb.HealthCheckResponse_SERVING)
	server := grpc.NewServer(options...)
	healthpb.RegisterHealthServer(server, states)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return listener.Addr().String()
}

func TestGRPC(t *testing.T) {
	address := grpcServer(t)
	at := func(target string) Definition { return Definition{GRPC: target, Interval: time.Second} }
	expect(t, ask(t, at(address)), consulwire.Passing, "gRPC check "+address+": success")
	expect(t, ask(t, at(address+"/a/b")), consulwire.Passing, "success")
	expect(t, ask(t, at(address+"/down")), consulwire.Critical, "NOT_SERVING")
	expect(t, ask(t, at(address+"/unknown")), consulwire.Critical, "NotFound")
	expect(t, ask(t, at(closedPort(t))), consulwire.Critical, "connection refused")
}

func TestGRPCOverTLS(t *testing.T) {
	lender := httptest.NewTLSServer(nil) // its certificate
	defer lender.Close()
	address := grpcServer(t, grpc.Creds(credentials.NewServerTLSFromCert(&lender.TLS.Certificates[0])))
	expect(t, ask(t, Definition{GRPC: address, GRPCUseTLS: true}), consulwire.Critical, "certificate")
	expect(t, ask(t, Definition{GRPC: address, GRPCUseTLS: true, TLSSkipVerify: true}), consulwire.Passing, "success")
}

func TestFromRegistrationRefuses(t *testing.T) {
	second := consulwire.Duration(time.Second)
	for name, test := range map[string]struct {
		registration consulwire.CheckRegistration
		want         string
	}{
		"nothing":          {consulwire.CheckRegistration{}, "TTL must be > 0"},
		"negative TTL":     {consulwire.CheckRegistration{TTL: -second}, "TTL must be > 0"},
		"no interval":      {consulwire.CheckRegistration{TCP: "a:1"}, "Interval must be > 0"},
		"interval and TTL": {consulwire.CheckRegistration{TTL: second, Interval: second}, "cannot both"},
		"alias and probe":  {consulwire.CheckRegistration{TCP: "a:1", AliasService: "x", Interval: second}, "Interval cannot be set for Alias checks"},
		"alias and TTL":    {consulwire.CheckRegistration{TTL: second, AliasService: "x"}, "TTL must be not be set for Alias checks"},
		"script":           {consulwire.CheckRegistration{ScriptArgs: []string{"x"}}, "Interval must be > 0"},
		"Docker":           {consulwire.CheckRegistration{ScriptArgs: []string{"x"}, DockerContainerID: "c", Interval: second}, "Docker checks are not supported"},
		"thresholds":       {consulwire.CheckRegistration{TTL: second, FailuresBeforeWarning: 2, FailuresBeforeCritical: 1}, "higher"},
		"negative output":  {consulwire.CheckRegistration{TTL: second, OutputMaxSize: -1}, "MaxOutputMaxSize must be positive"},
	} {
		if _, err := FromRegistration(&test.registration); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

// TestFromRegistrationTakes holds that what makes no sense to this agent is taken where Consul takes it, and of several
// kinds in one the first.
func TestFromRegistrationTakes(t *testing.T) {
	second := consulwire.Duration(time.Second)
	for name, test := range map[string]struct {
		registration consulwire.CheckRegistration
		shown, runs  string
	}{
		"not a URL":          {consulwire.CheckRegistration{HTTP: "a:1", Interval: second}, KindHTTP, KindHTTP},
		"no port":            {consulwire.CheckRegistration{TCP: "host", Interval: second}, KindTCP, KindTCP},
		"several":            {consulwire.CheckRegistration{TCP: "a:1", GRPC: "a:1", Interval: second}, KindGRPC, KindTCP},
		"negative durations": {consulwire.CheckRegistration{TTL: second, Timeout: -second, DeregisterCriticalServiceAfter: -second}, KindTTL, KindTTL},
		"negative counts":    {consulwire.CheckRegistration{TTL: second, SuccessBeforePassing: -1}, KindTTL, KindTTL},
		"alias of a node":    {consulwire.CheckRegistration{AliasNode: "n"}, KindAlias, KindAlias},
		"UDP":                {consulwire.CheckRegistration{UDP: "a:1", Interval: second}, KindUDP, KindUDP},
		"HTTP/2":             {consulwire.CheckRegistration{H2PING: "a:1", Interval: second}, KindH2PING, KindH2PING},
		"script":             {consulwire.CheckRegistration{ScriptArgs: []string{"x"}, Interval: second}, KindScript, KindScript},
	} {
		d, err := FromRegistration(&test.registration)
		if err != nil || d.Kind() != test.shown || d.runs() != test.runs {
			t.Errorf("%s: shows %q, runs %q (%v), want %q and %q", name, d.Kind(), d.runs(), err, test.shown, test.runs)
		}
	}
}

func TestSenselessTargetsAreCritical(t *testing.T) {
	expect(t, ask(t, Definition{HTTP: "file:///etc/passwd", Interval: time.Second}), consulwire.Critical, "unsupported protocol scheme")
	expect(t, ask(t, Definition{HTTP: "http://a", Method: "A B", Interval: time.Second}), consulwire.Critical, "invalid method")
	expect(t, ask(t, Definition{TCP: "host", Interval: time.Second}), consulwire.Critical, "missing port")
}

func TestHTTPKeepsTheEndOfTheBody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("x", 1<<16) + "the end"))
	}))
	defer server.Close()
	got := ask(t, Definition{HTTP: server.URL, OutputMax: 10})
	expect(t, got, consulwire.Passing, "Output: xxxthe end")
}

func TestUDP(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := server.LocalAddr().String()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		buffer := make([]byte, 64)
		if n, from, err := server.ReadFrom(buffer); err == nil {
			_, _ = server.WriteTo(buffer[:n], from)
		}
	}()
	expect(t, ask(t, Definition{UDP: address}), consulwire.Passing, "UDP connect "+address+": Success")
	<-answered

	silent, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	expect(t, (&Definition{UDP: address}).probe()(silent), consulwire.Passing, "Success")
	_ = server.Close()
	expect(t, ask(t, Definition{UDP: address}), consulwire.Critical, "connection refused")
}

func TestH2PING(t *testing.T) {
	address := grpcServer(t) // speaks HTTP/2 without TLS
	expect(t, ask(t, Definition{H2PING: address}), consulwire.Passing, "HTTP2 ping was successful")
	expect(t, ask(t, Definition{H2PING: address, H2PINGUseTLS: true}), consulwire.Critical, "Failed to dial to "+address)
	expect(t, ask(t, Definition{H2PING: closedPort(t)}), consulwire.Critical, "Failed to dial to")

	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()
	d := Definition{H2PING: secure.Listener.Addr().String(), H2PINGUseTLS: true, TLSSkipVerify: true}
	expect(t, ask(t, d), consulwire.Passing, "HTTP2 ping was successful")

	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mute.Close() }()
	hurried, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	expect(t, (&Definition{H2PING: mute.Addr().String()}).probe()(hurried), consulwire.Critical, "HTTP2 ping failed")
}
