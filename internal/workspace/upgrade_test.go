//go:build unix

package workspace_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/build"
)

const newHello = `package main

import (
	"fmt"

	"github.com/pandakit/panda"
)

func main() {
	fmt.Println("hello says second")
	panda.NewService("hello").Run("passing", "")
}
`

// weights returns those that the instances of a service are registered with, by ID.
func (s *stage) weights(service string) map[string]int {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.address+"/v1/health/service/"+service, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var entries []struct {
		Service struct {
			ID      string
			Weights struct{ Passing int }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&entries); err != nil {
		s.t.Fatal(err)
	}
	found := map[string]int{}
	for _, e := range entries {
		found[e.Service.ID] = e.Service.Weights.Passing
	}
	return found
}

func idsOf[V any](m map[string]V) string {
	var ids []string
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// openShop runs the services of the atelier, and reloads none.
func openShop(t *testing.T) *atelier {
	t.Helper()
	return openAtelier(t, more, func(c *workspace.Config, _ *workspace.Workspace) { c.Reload = false })
}

func TestUpgradeStepByStep(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.save("hello/main.go", newHello)
	before := s.registered()
	err := s.runner.Upgrade(t.Context(), "hello", workspace.Version{}, func(ctx context.Context, u *workspace.Upgrade) error {
		if u.Same || len(u.Old) != 2 || u.Old[0].ID != "hello-1" || u.Old[0].Weight != 100 || !dialable(u.Old[0].Address) {
			t.Errorf("the upgrade finds %+v, same %v", u.Old, u.Same)
		}
		rehearsed, err := u.Rehearse(ctx)
		if err != nil || !dialable(rehearsed.Address) || s.registered() != before {
			t.Errorf("rehearsed is %+v, %v; %d are registered, before it %d", rehearsed, err, s.registered(), before)
		}
		if killed, err := u.Drain(ctx, rehearsed.ID); killed || err != nil || dialable(rehearsed.Address) {
			t.Errorf("the rehearsal ends with %v, %v", killed, err)
		}
		canary, err := u.Start(ctx, 22)
		if err != nil || !dialable(canary.Address) || canary.Weight != 22 {
			t.Errorf("the canary is %+v, %v", canary, err)
		}
		if _, err := u.Drain(ctx, u.Old[0].ID); err == nil {
			t.Error("an old instance is drained before there is one for each")
		}
		for _, want := range []string{"hello-1.2", "hello-2.2"} {
			if in, err := u.Start(ctx, 0); err != nil || in.ID != want || !dialable(in.Address) {
				t.Errorf("started is %+v, %v, want %s", in, err, want)
			}
		}
		if in, err := u.Start(ctx, 0); err == nil {
			t.Errorf("one more than there were is started: %+v", in)
		}
		weights := s.weights("hello")
		if idsOf(weights) != "hello-1 hello-1.2 hello-2 hello-2.2 "+canary.ID || weights[canary.ID] != 22 || weights["hello-1.2"] != 100 {
			t.Errorf("registered are %v", weights)
		}
		for _, id := range []string{canary.ID, "hello-1", "hello-2"} {
			if killed, err := u.Drain(ctx, id); killed || err != nil {
				t.Errorf("drain of %s: %v, %v", id, killed, err)
			}
		}
		_, err = u.Drain(ctx, "hello-9")
		return err
	})
	if _, refused := errors.AsType[*workspace.RefusedError](err); !refused {
		t.Errorf("Upgrade = %v, want that hello-9 takes no part", err)
	}
	if got := idsOf(s.serving("hello")); got != "hello-1.2 hello-2.2" || s.registered() != before {
		t.Errorf("%s serve and %d are registered, want %d", got, s.registered(), before)
	}
	if n := strings.Count(s.logs(), "hello says second"); n != 4 {
		t.Errorf("%d processes of the new version were started, want 4", n)
	}
	if err := s.runner.Restart(t.Context(), []string{"hello"}); err != nil || idsOf(s.serving("hello")) != "hello-1.3 hello-2.3" {
		t.Errorf("after a restart, %v, there are %v", err, s.serving("hello"))
	}
}

// An owner that is gone leaves one version: the old one until it has drained an instance of that, then the new one. Who wants
// something of the service meanwhile waits for that, and is not refused.
func TestUpgradeWhoseOwnerIsGone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		drain []string
		want  string
		text  string
	}{
		"early":   {nil, "hello-1 hello-2 hello-3.2", "first"},
		"decided": {[]string{"hello-2"}, "hello-1.2 hello-2.2 hello-3.2", "second"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			s.save("hello/main.go", newHello)
			ctx, cancel := context.WithCancel(t.Context())
			before := s.registered()
			scaled := make(chan error, 1)
			_ = s.runner.Upgrade(ctx, "hello", workspace.Version{}, func(ctx context.Context, u *workspace.Upgrade) error {
				for _, weight := range []int{5, 0, 0} {
					if _, err := u.Start(ctx, weight); err != nil {
						t.Error(err)
					}
				}
				for _, id := range test.drain {
					if _, err := u.Drain(ctx, id); err != nil {
						t.Error(err)
					}
				}
				cancel()
				go func() { scaled <- s.runner.Scale(t.Context(), "hello", 3) }()
				return ctx.Err()
			})
			if err := <-scaled; err != nil {
				t.Fatal(err)
			}
			if got := idsOf(s.serving("hello")); got != test.want || s.registered() != before+1 {
				t.Errorf("%s serve and %d are registered, want %s and %d", got, s.registered(), test.want, before+1)
			}
			// What is grown from now on is of that version too.
			if !strings.Contains(s.logs(), "hello-3 │ hello says "+test.text) {
				t.Errorf("a third instance is not of the %s version:\n%s", test.text, s.logs())
			}
		})
	}
}

func TestUpgradeToWhatDoesNotWork(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	before := s.registered()
	s.save("hello/main.go", "package main\n\nfunc main() { nothing() }\n")
	err := s.runner.Upgrade(t.Context(), "hello", workspace.Version{}, func(context.Context, *workspace.Upgrade) error {
		t.Error("it goes on with what does not compile")
		return nil
	})
	if _, compiled := errors.AsType[*build.Error](err); !compiled {
		t.Errorf("Upgrade = %v, want a *build.Error", err)
	}
	s.save("hello/main.go", "package main\n\nimport \"os\"\n\nfunc main() { os.Exit(3) }\n")
	err = s.runner.Upgrade(t.Context(), "hello", workspace.Version{}, func(ctx context.Context, u *workspace.Upgrade) error {
		if _, err := u.Rehearse(ctx); err == nil || !strings.Contains(err.Error(), "exit code 3") {
			t.Errorf("Rehearse = %v", err)
		}
		_, err := u.Start(ctx, 0)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "it ended with exit code 3") {
		t.Errorf("Upgrade = %v", err)
	}
	if got := idsOf(s.serving("hello")); got != "hello-1 hello-2" || s.registered() != before {
		t.Errorf("%s serve and %d are registered", got, s.registered())
	}
	if err := s.runner.Scale(t.Context(), "hello", 3); err != nil {
		t.Errorf("what is grown is not of the old version: %v", err)
	}
}

func TestUpgradeFromElsewhere(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	other := lay(t, "")
	if err := os.CopyFS(other, os.DirFS(s.root)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other, "hello", "main.go"), []byte(newHello), 0o600); err != nil {
		t.Fatal(err)
	}
	upgrade := func(v workspace.Version, want bool) {
		t.Helper()
		err := s.runner.Upgrade(t.Context(), "hello", v, func(_ context.Context, u *workspace.Upgrade) error {
			if u.Same != want {
				t.Errorf("%+v is the same: %v, want %v", v, u.Same, want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	upgrade(workspace.Version{}, true)
	upgrade(workspace.Version{From: other}, false)
	upgrade(workspace.Version{From: filepath.Join(other, "hello")}, false)
	upgrade(workspace.Version{Binary: s.config.Binaries["hello"]}, true)
	upgrade(workspace.Version{Binary: standin.binary}, false)
}

func TestUpgradeRefuses(t *testing.T) {
	t.Parallel()
	s := openAtelier(t, more+`
-- panda.yaml --
services:
  hello: {}
  web: {env: {PANDA_ADDR: "127.0.0.1:29474"}}
  client: {path: ./client}
  once: {path: ./svc, args: [oneshot], oneshot: true}
  halted: {path: ./svc}
`, func(c *workspace.Config, _ *workspace.Workspace) { c.Reload = false })
	if err := s.runner.Stop(t.Context(), []string{"halted"}); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		service string
		version workspace.Version
		want    string
	}{
		{"helo", workspace.Version{}, `no service is called "helo"; near: hello`},
		{"client", workspace.Version{}, "client registers nothing"},
		{"once", workspace.Version{}, "once is a one-shot program"},
		{"web", workspace.Version{}, `web cannot run twice: its PANDA_ADDR "127.0.0.1:29474" is one port`},
		{"halted", workspace.Version{}, "halted does not run"},
		{"hello", workspace.Version{From: filepath.Join(s.root, "none")}, "there is no folder"},
		{"hello", workspace.Version{From: t.TempDir()}, "is in no Go module"},
		{"hello", workspace.Version{From: filepath.Join(s.root, "shared")}, "has no program in . or hello"},
		{"hello", workspace.Version{Binary: plain}, "is not executable"},
		{"hello", workspace.Version{Binary: plain + "x"}, "there is no file"},
		{"hello", workspace.Version{Binary: s.root}, "is no file"},
	} {
		err := s.runner.Upgrade(t.Context(), test.service, test.version, func(context.Context, *workspace.Upgrade) error {
			t.Errorf("%s is upgraded", test.service)
			return nil
		})
		_, refused := errors.AsType[*workspace.RefusedError](err)
		_, unknown := errors.AsType[*workspace.UnknownServiceError](err)
		if !refused && !unknown || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %+v: %v, want that it is refused: %s", test.service, test.version, err, test.want)
		}
	}
	err := s.runner.Upgrade(t.Context(), "hello", workspace.Version{}, func(ctx context.Context, _ *workspace.Upgrade) error {
		_, _, drain := s.runner.Drain(ctx, "hello")
		for name, err := range map[string]error{
			"restart": s.runner.Restart(ctx, []string{"hello"}), "scale": s.runner.Scale(ctx, "hello", 3), "drain": drain,
			"stop": s.runner.Stop(ctx, []string{"hello"}), "upgrade": s.runner.Upgrade(ctx, "hello", workspace.Version{}, nil),
		} {
			if err == nil || err.Error() != "hello is being upgraded" {
				t.Errorf("%s during the upgrade: %v", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// The workspace may end while a service is upgraded: nothing of it is left.
func TestUpgradeEndsWithTheWorkspace(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.save("hello/main.go", newHello)
	begun := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		result <- s.runner.Upgrade(context.Background(), "hello", workspace.Version{}, func(ctx context.Context, u *workspace.Upgrade) error {
			if _, err := u.Start(ctx, 0); err != nil {
				t.Error(err)
			}
			close(begun)
			<-ctx.Done()
			_, err := u.Start(ctx, 0)
			return err
		})
	}()
	<-begun
	if err := s.end(); err != nil {
		t.Error(err)
	}
	if err := <-result; err == nil {
		t.Error("the upgrade has got through")
	}
	if s.registered() != 0 {
		t.Errorf("%d are registered still", s.registered())
	}
}

func TestDrainTakesOneOut(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	web := program("web")
	web.Replicas = 3
	s.run(web)
	s.await(workspace.Ready, "")
	drain := func(name, id string, left int) {
		t.Helper()
		gone, rest, err := s.runner.Drain(t.Context(), name)
		if err != nil || gone != id || rest != left || s.registered() != left {
			t.Errorf("drain of %s = %s, %d, %v; %d are registered; want %s and %d", name, gone, rest, err, s.registered(), id, left)
		}
	}
	drain("web-2", "web-2", 2)
	if got := idsOf(s.serving("web")); got != "web-1 web-3" {
		t.Errorf("%s serve", got)
	}
	// A restart replaces what is there and fills the place.
	if err := s.runner.Restart(t.Context(), []string{"web"}); err != nil {
		t.Fatal(err)
	}
	if got := idsOf(s.serving("web")); got != "web-1.2 web-2.2 web-3.2" {
		t.Errorf("after a restart %s serve", got)
	}
	drain("web-1.2", "web-1.2", 2)
	if err := s.runner.Scale(t.Context(), "web", 3); err != nil {
		t.Fatal(err)
	}
	if got := idsOf(s.serving("web")); got != "web-1.3 web-2.2 web-3.2" {
		t.Errorf("after growing %s serve", got)
	}
	drain("web-1", "web-1.3", 2)
	drain("web-3", "web-3.2", 1)
	_, _, err := s.runner.Drain(t.Context(), "web-2")
	if _, refused := errors.AsType[*workspace.RefusedError](err); !refused || !strings.Contains(err.Error(), "no other instance of web is passing") {
		t.Errorf("drain of the last one: %v", err)
	}
	_, _, err = s.runner.Drain(t.Context(), "web-22")
	if unknown, ok := errors.AsType[*workspace.UnknownInstanceError](err); !ok || !slices.Contains(unknown.Known, "web-2") {
		t.Errorf("drain of an unknown one: %v", err)
	}
}
