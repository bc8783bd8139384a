package oneport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/rpc"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/pandakit/panda/internal/oneport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bed is a port with both servers behind it.
type bed struct {
	port   *oneport.Port
	addr   string
	grpc   *grpc.Server
	http   *http.Server
	client *http.Client // HTTP/1
	h2c    *http.Client
	log    *logBuffer
}

type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Write(p)
	select {
	case b.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

// wait waits until the log contains text.
func (b *logBuffer) wait(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		b.mu.Lock()
		got := b.text.String()
		b.mu.Unlock()
		if strings.Contains(got, text) {
			return
		}
		select {
		case <-b.more:
		case <-deadline:
			t.Fatalf("log does not say %q:\n%s", text, got)
		}
	}
}

// echoService answers every message with itself, unary and as a stream.
var echoService = grpc.ServiceDesc{
	ServiceName: "test.Echo",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Unary", Handler: echoUnary}},
	Streams:     []grpc.StreamDesc{{StreamName: "Stream", Handler: echoStream, ServerStreams: true, ClientStreams: true}},
}

func echoUnary(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := new(wrapperspb.StringValue)
	if err := decode(in); err != nil {
		return nil, err
	}
	if in.Value == "security" {
		p, _ := peer.FromContext(ctx)
		in.Value = "none"
		if p.AuthInfo != nil {
			in.Value = p.AuthInfo.AuthType()
		}
	}
	return in, nil
}

func echoStream(_ any, stream grpc.ServerStream) error {
	for {
		in := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(in); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := stream.SendMsg(in); err != nil {
			return err
		}
	}
}

// start runs a port on a free port of the loopback.
func start(t *testing.T, o oneport.Options) *bed {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, l, o)
}

func startOn(t *testing.T, l net.Listener, o oneport.Options) *bed {
	t.Helper()
	b := &bed{addr: l.Addr().String(), log: &logBuffer{more: make(chan struct{}, 1)}}
	o.Logger = slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.port = oneport.New(l, o)
	b.grpc = grpc.NewServer(grpc.Creds(oneport.Credentials()))
	b.grpc.RegisterService(&echoService, nil)
	b.http = &http.Server{Handler: oneport.WithTLS(handler()), Protocols: new(http.Protocols), ConnContext: oneport.ConnContext, ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug)}
	b.http.Protocols.SetHTTP1(true)
	b.http.Protocols.SetUnencryptedHTTP2(true)

	var running sync.WaitGroup
	running.Go(func() {
		if err := b.port.Serve(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	running.Go(func() { _ = b.grpc.Serve(b.port.GRPC()) })
	running.Go(func() { _ = b.http.Serve(b.port.HTTP()) })
	t.Cleanup(func() {
		if err := b.port.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		b.grpc.Stop()
		_ = b.http.Close()
		running.Wait()
	})
	b.client, b.h2c = httpClient(t, false, o.TLS != nil), httpClient(t, true, o.TLS != nil)
	return b
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/proto", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Proto, " ", r.TLS != nil)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})
	server := rpc.NewServer()
	if err := server.RegisterName("Panda", panda{}); err != nil {
		panic(err)
	}
	mux.Handle(rpc.DefaultRPCPath, server)
	return mux
}

type panda struct{}

// Double is a net/rpc method.
func (panda) Double(in int, out *int) error {
	*out = 2 * in
	return nil
}

func httpClient(t *testing.T, http2, secure bool) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: secure}}
	switch {
	case http2 && secure:
		transport.Protocols.SetHTTP2(true)
	case http2:
		transport.Protocols.SetUnencryptedHTTP2(true)
	default:
		transport.Protocols.SetHTTP1(true)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (b *bed) dial(t *testing.T, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)
	conn, err := grpc.NewClient("passthrough:///"+b.addr, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func unary(t *testing.T, conn *grpc.ClientConn, text string) string {
	t.Helper()
	out := new(wrapperspb.StringValue)
	if err := conn.Invoke(t.Context(), "/test.Echo/Unary", wrapperspb.String(text), out); err != nil {
		t.Fatalf("call: %v", err)
	}
	return out.Value
}

func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestEveryProtocolOnOnePort(t *testing.T) {
	b := start(t, oneport.Options{})
	if got := unary(t, b.dial(t), "hello"); got != "hello" {
		t.Errorf("grpc: got %q", got)
	}
	if got := get(t, b.client, "http://"+b.addr+"/proto"); got != "HTTP/1.1 false" {
		t.Errorf("http/1: got %q", got)
	}
	if got := get(t, b.h2c, "http://"+b.addr+"/proto"); got != "HTTP/2.0 false" {
		t.Errorf("h2c: got %q", got)
	}
	client, err := rpc.DialHTTP("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	var out int
	if err := client.Call("Panda.Double", 21, &out); err != nil || out != 42 {
		t.Errorf("net/rpc: got %d, %v", out, err)
	}
}

// TestManyStreamsH2C has many requests with large bodies share connections, so that flow control and
// settings of the server that took over are at work in both directions.
func TestManyStreamsH2C(t *testing.T) {
	for _, limit := range []uint32{0, 10} {
		t.Run(fmt.Sprint("limit=", limit), func(t *testing.T) {
			b := start(t, oneport.Options{MaxConcurrentStreams: limit})
			body := strings.Repeat("0123456789abcdef", 1<<15) // 512 KiB
			var group sync.WaitGroup
			for range 64 {
				group.Go(func() {
					resp, err := b.h2c.Post("http://"+b.addr+"/echo", "text/plain", strings.NewReader(body))
					if err != nil {
						t.Error(err)
						return
					}
					defer func() { _ = resp.Body.Close() }()
					if got, err := io.ReadAll(resp.Body); err != nil || string(got) != body {
						t.Errorf("got %d bytes, %v", len(got), err)
					}
				})
			}
			group.Wait()
		})
	}
}

func TestManyStreamsGRPC(t *testing.T) {
	b := start(t, oneport.Options{})
	conn := b.dial(t)
	text := strings.Repeat("x", 256<<10)
	var group sync.WaitGroup
	for range 150 { // more than the 100 streams that a client allows itself before any settings
		group.Go(func() {
			stream, err := conn.NewStream(t.Context(), &echoService.Streams[0], "/test.Echo/Stream")
			if err != nil {
				t.Error(err)
				return
			}
			out := new(wrapperspb.StringValue)
			if err := errors.Join(stream.SendMsg(wrapperspb.String(text)), stream.RecvMsg(out), stream.CloseSend()); err != nil || out.Value != text {
				t.Errorf("got %d bytes, %v", len(out.Value), err)
			}
			if err := stream.RecvMsg(out); !errors.Is(err, io.EOF) {
				t.Errorf("end of stream: %v", err)
			}
		})
	}
	group.Wait()
}
