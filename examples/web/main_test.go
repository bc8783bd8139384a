package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/pandakit/panda/examples/hellopb"
)

// stub answers in place of hello.
type stub struct {
	hellopb.HelloServiceClient
	err error
}

func (s stub) SayHello(_ context.Context, in *hellopb.HelloRequest, _ ...grpc.CallOption) (*hellopb.HelloResponse, error) {
	if s.err != nil {
		return nil, s.err
	}
	return &hellopb.HelloResponse{Msg: "你好," + in.GetName()}, nil
}

func TestPage(t *testing.T) {
	const away = "does not answer at the moment"
	for _, c := range []struct {
		what, name string
		err        error
		code       int
		holds      string
		holdsNot   string
	}{
		{"no name", "", nil, http.StatusOK, `name="name"`, "你好"},
		{"only spaces", "  ", nil, http.StatusOK, `name="name"`, "你好"},
		{"a name", "熊猫", nil, http.StatusOK, "你好,熊猫", "problem\" role"},
		{"markup", `"><script>alert(1)</script>`, nil, http.StatusOK, "你好,&#34;&gt;&lt;script&gt;", "<script>"},
		{"the longest name", strings.Repeat("猫", maxName), nil, http.StatusOK, "你好,猫", "too long"},
		{"one longer", strings.Repeat("猫", maxName+1), nil, http.StatusBadRequest, "too long", "你好"},
		{"hello is away", "熊猫", errors.New("10.0.0.7:4000 refused"), http.StatusServiceUnavailable, away, "10.0.0.7"},
	} {
		t.Run(c.what, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			request := httptest.NewRequest(http.MethodGet, "/?name="+url.QueryEscape(c.name), nil)
			newPage(stub{err: c.err}, slog.New(slog.DiscardHandler)).ServeHTTP(recorder, request)
			body := recorder.Body.String()
			if recorder.Code != c.code || !strings.Contains(body, c.holds) || strings.Contains(body, c.holdsNot) {
				t.Errorf("status %d, want %d; want %q and not %q in\n%s", recorder.Code, c.code, c.holds, c.holdsNot, body)
			}
			if strings.Contains(body, "http://") || strings.Contains(body, "https://") {
				t.Errorf("the page loads from elsewhere:\n%s", body)
			}
		})
	}
}
