package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/pandatest"

	rpcv1 "example.com/rpc-web/proto/rpc/v1"
)

// stub answers in place of rpc.
type stub struct {
	rpcv1.RpcServiceClient

	err error
}

func (s stub) Greet(_ context.Context, in *rpcv1.GreetRequest, _ ...grpc.CallOption) (*rpcv1.GreetResponse, error) {
	if s.err != nil {
		return nil, s.err
	}
	return &rpcv1.GreetResponse{Message: "Hello, " + in.GetName()}, nil
}

// get asks the page for a path, with rpc answering err unless it is nil.
func get(t *testing.T, path string, err error) *httptest.ResponseRecorder {
	t.Helper()
	p := newPage(stub{err: err}, slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.html)
	mux.HandleFunc("GET /api/greet", p.json)
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	return recorder
}

func TestPage(t *testing.T) {
	for _, c := range []struct {
		what, name string
		err        error
		code       int
		want       string
		never      string
	}{
		{"no name", "", nil, http.StatusOK, `name="name"`, "<output>"},
		{"a name", "Lin", nil, http.StatusOK, "<output>Hello, Lin</output>", "alert"},
		{"markup", "<script>", nil, http.StatusOK, "&lt;script&gt;", "<script>"},
		{"a wrong name", "x", status.Error(codes.InvalidArgument, "too short"), http.StatusBadRequest, "too short", "<output>"},
		{"nobody answers", "x", status.Error(codes.Unavailable, "10.0.0.7 refused"), http.StatusServiceUnavailable, "alert", "10.0.0.7"},
	} {
		t.Run(c.what, func(t *testing.T) {
			got := get(t, "/?name="+url.QueryEscape(c.name), c.err)
			body := got.Body.String()
			if got.Code != c.code || !strings.Contains(body, c.want) || strings.Contains(body, c.never) {
				t.Errorf("status %d, want %d; want %q and not %q in\n%s", got.Code, c.code, c.want, c.never, body)
			}
			if strings.Contains(body, "http://") || strings.Contains(body, "https://") {
				t.Errorf("the page loads from elsewhere:\n%s", body)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		want answer
	}{
		{nil, http.StatusOK, answer{Message: "Hello, Lin"}},
		{status.Error(codes.InvalidArgument, "too short"), http.StatusBadRequest, answer{Problem: "too short"}},
	} {
		response := get(t, "/api/greet?name="+url.QueryEscape("Lin"), c.err)
		var got answer
		if err := json.Unmarshal(response.Body.Bytes(), &got); err != nil || response.Code != c.code || got != c.want {
			t.Errorf("status %d, %+v, %v, want %d, %+v", response.Code, got, err, c.code, c.want)
		}
	}
}

// server stands in for rpc, over the network.
type server struct {
	rpcv1.UnimplementedRpcServiceServer
}

func (server) Greet(_ context.Context, in *rpcv1.GreetRequest) (*rpcv1.GreetResponse, error) {
	return &rpcv1.GreetResponse{Message: "Hello, " + in.GetName()}, nil
}

// Both are found by name: the page by its visitor, and rpc by the page.
func TestByName(t *testing.T) {
	registry := pandatest.NewRegistry(t)
	called := panda.NewService("rpc", registry.ServiceOptions(t)...)
	rpcv1.RegisterRpcServiceServer(called, server{})
	pandatest.Run(t, registry, called)
	client := rpcv1.NewRpcServiceClient(pandatest.Dial(t, registry, "rpc"))
	pandatest.Run(t, registry, newService(client, registry.ServiceOptions(t)...))

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://rpc-web.service.consul/?name=Lin", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := pandatest.HTTPClient(t, registry).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(body), "Hello, Lin") {
		t.Errorf("%v, got\n%s", err, body)
	}
}
