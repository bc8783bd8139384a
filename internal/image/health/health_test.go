//go:build linux

package main

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// pipe is a stream over a connection.
type pipe struct{ net.Conn }

func (p pipe) write(piece []byte) string {
	if _, err := p.Write(piece); err != nil {
		return err.Error()
	}
	return ""
}

func (p pipe) read(piece []byte) string {
	for len(piece) > 0 {
		n, err := p.Read(piece)
		if err != nil {
			return err.Error()
		}
		piece = piece[n:]
	}
	return ""
}

// serve runs a gRPC server until the test ends and returns a connection to it.
func serve(t *testing.T, register func(*grpc.Server)) net.Conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	conn, err := net.DialTimeout("tcp", listener.Addr().String(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestAskOfARealServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status healthpb.HealthCheckResponse_ServingStatus
		want   string
	}{
		{healthpb.HealthCheckResponse_SERVING, ""},
		{healthpb.HealthCheckResponse_NOT_SERVING, "it does not serve"},
	} {
		own := health.NewServer()
		own.SetServingStatus("", test.status)
		conn := serve(t, func(s *grpc.Server) { healthpb.RegisterHealthServer(s, own) })
		if got := ask(pipe{conn}); got != test.want {
			t.Errorf("ask a server that is %v: %q, want %q", test.status, got, test.want)
		}
	}
	conn := serve(t, func(*grpc.Server) {})
	if got := ask(pipe{conn}); got != "the health check was answered with an error" {
		t.Errorf("ask a server without the health service: %q", got)
	}
	conn = serve(t, func(s *grpc.Server) { healthpb.RegisterHealthServer(s, refusing{}) })
	if got := ask(pipe{conn}); got != "the health check was answered with an error" {
		t.Errorf("ask a server that wants credentials: %q", got)
	}
}

type refusing struct {
	healthpb.UnimplementedHealthServer
}

func (refusing) Check(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return nil, status.Error(codes.Unauthenticated, "who are you")
}

// script is a stream whose other side has said all it will ever say.
type script struct{ *strings.Reader }

func (script) write([]byte) string { return "" }

func (s script) read(piece []byte) string {
	for len(piece) > 0 {
		n, err := s.Read(piece)
		if err != nil {
			return "end"
		}
		piece = piece[n:]
	}
	return ""
}

func TestAskOfWhatIsNoServer(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"":                                     "end",
		"HTTP/1.1 400 Bad Request\r\n\r\n":     "the answer is not HTTP/2",
		"\x00\x00\x00\x07\x00\x00\x00\x00\x00": "the health check was refused",
		strings.Repeat("\x00\x00\x00\x08\x00\x00\x00\x00\x00", 100): "the answer is no health check's",
	} {
		if got := ask(script{strings.NewReader(answer)}); got != want {
			t.Errorf("ask answered by %q: %q, want %q", answer, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	loopback := [4]byte{127, 0, 0, 1}
	for text, want := range map[string]struct {
		host [4]byte
		port int
	}{
		":8080":           {loopback, 8080},
		"0.0.0.0:1":       {loopback, 1},
		"[::]:65535":      {loopback, 65535},
		"localhost:80":    {loopback, 80},
		"10.20.30.255:90": {[4]byte{10, 20, 30, 255}, 90},
	} {
		if host, port, ok := parse(text); !ok || host != want.host || port != want.port {
			t.Errorf("parse(%q) = %v, %d, %v, want %v", text, host, port, ok, want)
		}
	}
	for _, text := range []string{"", "8080", ":", ":0", ":65536", ":8a", "hello:80", "1.2.3:80", "1.2.3.4.5:80", "1.2.3.256:80", "1.2.3.:80", "[::1]:80"} {
		if host, port, ok := parse(text); ok {
			t.Errorf("parse(%q) = %v, %d, want it refused", text, host, port)
		}
	}
}
