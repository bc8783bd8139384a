//go:build unix

package controlsocket_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/controlsocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type refusal struct {
	Text string `json:"text"`
}

func (r *refusal) Error() string { return r.Text }

func serve(t *testing.T, path string) *controlsocket.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /length", controlsocket.Handle(func(_ context.Context, in string) (any, error) {
		if in == "" {
			return nil, errors.New("it is empty")
		}
		return len(in), nil
	}, func(err error) any { return &refusal{err.Error()} }))
	server, err := controlsocket.Listen(path, mux)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

func TestClientAndServer(t *testing.T) {
	for network, path := range map[string]string{
		"unix": filepath.Join(t.TempDir(), "socket"),
		"tcp":  filepath.Join(t.TempDir(), strings.Repeat("long", 25)), // too long for a socket
	} {
		t.Run(network, func(t *testing.T) {
			server := serve(t, path)
			place := server.Place()
			if place.Network != network || !place.Listens() || (place.Token == "") != (network == "unix") {
				t.Errorf("it listens at %+v", place)
			}
			client := controlsocket.NewClient(place)
			var got int
			if err := client.Do(t.Context(), http.MethodPost, "/length", "four", &got, new(refusal)); err != nil || got != 4 {
				t.Errorf("Do = %d, %v", got, err)
			}
			for in, want := range map[any]string{
				"": "it is empty", 1: "read the request: json: cannot unmarshal number into Go value of type string",
				strings.Repeat("x", 1<<17): "read the request: http: request body too large",
			} {
				told := new(refusal)
				if err := client.Do(t.Context(), http.MethodPost, "/length", in, &got, told); !errors.Is(err, told) || err.Error() != want {
					t.Errorf("Do = %v, want %s", err, want)
				}
			}
			if err := client.Do(t.Context(), http.MethodGet, "/none", nil, nil, new(refusal)); err == nil || err.Error() != "it answers 404 Not Found" {
				t.Errorf("Do of nothing = %v", err)
			}
			server.Close()
			if err := client.Do(t.Context(), http.MethodPost, "/length", "", nil, new(refusal)); err == nil || place.Listens() {
				t.Errorf("Do after its end = %v", err)
			}
			if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket is left: %v", err)
			}
		})
	}
}

func TestWithoutTheTokenNothingIsTold(t *testing.T) {
	place := serve(t, filepath.Join(t.TempDir(), strings.Repeat("long", 25))).Place()
	for _, token := range []string{"", "another"} {
		place.Token = token
		err := controlsocket.NewClient(place).Do(t.Context(), http.MethodPost, "/length", "four", nil, new(refusal))
		if err == nil || err.Error() != "it answers 403 Forbidden" {
			t.Errorf("Do with the token %q = %v", token, err)
		}
	}
}

// What a killed process has left is in nobody's way.
func TestListenWhereOneWasKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if place := serve(t, path).Place(); !place.Listens() {
		t.Error("nobody listens")
	}
}
