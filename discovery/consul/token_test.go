package consul_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

// write puts a token into the file, under another name first, as what rotates tokens does.
func write(t *testing.T, file, token string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func TestTokenFileIsReadAgain(t *testing.T) {
	t.Parallel()
	var sent string
	url := onSocket(t, func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Get("X-Consul-Token")
		_, _ = w.Write([]byte("{}"))
	})
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "first\n")
	var logged bytes.Buffer
	r, err := consul.New(consul.Config{Addresses: []string{url}, TokenFile: file, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name       string
		change     func()
		want, tell string // tell is a part of what is logged, nothing when ""
	}{
		{"as it was", func() {}, "first", ""},
		{"replaced", func() { write(t, file, " second\n") }, "second", "another token is used from now on"},
		{"written again", func() { write(t, file, "second") }, "second", ""},
		{"overwritten in place", func() {
			if err := os.WriteFile(file, []byte("third!"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "third!", "another token is used from now on"},
		{"empty", func() { write(t, file, "\n") }, "third!", "it is empty"},
		{"empty still", func() {}, "third!", ""},
		{"no token", func() { write(t, file, "sixth\x00") }, "third!", "it has a character that no HTTP header can carry"},
		{"too long", func() { write(t, file, strings.Repeat("x", 70_000)) }, "third!", "it is longer than 64 KiB"},
		{"away", func() {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}, "third!", "the last token stays in use"},
		{"back as it was", func() { write(t, file, "third!") }, "third!", ""},
		{"replaced once more", func() { write(t, file, "last") }, "last", "another token is used from now on"},
	} {
		step.change()
		logged.Reset()
		if _, err := r.Services(t.Context()); err != nil {
			t.Fatal(err)
		}
		if sent != step.want {
			t.Errorf("%s: the token is %q, want %q", step.name, sent, step.want)
		}
		if text := logged.String(); !strings.Contains(text, step.tell) || step.tell == "" && text != "" {
			t.Errorf("%s: logged %q, want %q", step.name, text, step.tell)
		}
		for _, secret := range []string{"first", "second", "third", "sixth", "last\""} {
			if strings.Contains(logged.String(), secret) {
				t.Errorf("%s: the log tells a token: %s", step.name, &logged)
			}
		}
	}
}

// tokens notes with which one each request came.
type tokens struct {
	http.Handler

	mu   sync.Mutex
	sent []string
}

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if kind, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/agent/"), "/service:"); kind == "service/register" || kind == "check/update" {
		s.mu.Lock()
		s.sent = append(s.sent, kind+" "+r.Header.Get("X-Consul-Token"))
		s.mu.Unlock()
	}
	s.Handler.ServeHTTP(w, r)
}

func TestAnnounceRegistersAnewWithAnotherToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		write(t, file, "first")
		n, agent := newNetwork(t), &tokens{Handler: newServices()}
		n.set(address, agent.ServeHTTP)
		cfg := single()
		cfg.TokenFile = file
		a := n.announce(n.registry(cfg), discovery.Announcement{Instance: orders()})
		pass(7 * time.Second)
		write(t, file, "second")
		pass(10 * time.Second)
		a.cancel()
		if err := <-a.ended; err != nil {
			t.Fatal(err)
		}
		want := []string{"service/register first", "check/update first", "check/update second", "service/register second", "check/update second"}
		if !slices.Equal(agent.sent, want) {
			t.Errorf("requests and their tokens are %q, want %q", agent.sent, want)
		}
		if events := a.told(); !slices.Equal(events, []string{"registered", "registered"}) {
			t.Errorf("events are %q, want two registrations", events)
		}
	})
}
