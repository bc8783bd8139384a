package containers_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/containers"
	"github.com/pandakit/panda/internal/engine"
	"github.com/pandakit/panda/internal/rollout"
)

// fleet opens the service's containers, for an upgrade to an image.
func (s *service) fleet(t *testing.T, version string) (*containers.Fleet, error) {
	t.Helper()
	e, err := engine.Open(t.Context(), func(name string) string {
		return map[string]string{"DOCKER_HOST": s.engine.Host}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return containers.Open(t.Context(), containers.Config{
		Engine: e, Registry: s.registry, Service: s.name, Image: s.image(version),
		Tell: func(text string) { t.Errorf("told %q", text) },
	})
}

// upgrade upgrades the service as "panda upgrade" does, with the steps told to the plan.
func (s *service) upgrade(ctx context.Context, t *testing.T, version string, plan rollout.Plan) error {
	t.Helper()
	f, err := s.fleet(t, version)
	if err != nil {
		return err
	}
	observe := plan.Observe
	plan.Observe = func(e rollout.Event) {
		t.Log(e)
		if observe != nil {
			observe(e)
		}
	}
	return rollout.Run(ctx, f, plan)
}

func TestUpgradeUnderLoad(t *testing.T) {
	t.Parallel()
	s := start(t).serve(t, "upgraded", 3)
	code, stdout, stderr := s.panda(t.Context(), t, "upgrade", "upgraded", "--image", s.image("2"))
	if code != 0 || !strings.Contains(stdout, "its API breaks no caller of the old version") || !strings.Contains(stdout, "3 instances of the new version") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if got := s.numbers(t); got != "4:v2 5:v2 6:v2" {
		t.Errorf("containers %s", got)
	}
	s.registered(t, 3)
	s.calls(t, enough/2)
	s.noneFailed(t, enough)
	s.kept(t)
	code, stdout, stderr = s.panda(t.Context(), t, "upgrade", "upgraded", "--image", s.image("2"))
	if code != 0 || !strings.HasPrefix(stdout, "upgraded: nothing to upgrade: 3 containers are of "+s.image("2")+" already: ") {
		t.Errorf("another time: exit code %d\n%s%s", code, stdout, stderr)
	}
}

// kept compares what a container of the new version was made from with what the first of the old one was.
func (s *service) kept(t *testing.T) {
	t.Helper()
	for format, want := range map[string]string{
		`{{.HostConfig.Memory}}`:                                         strconv.Itoa(256 << 20),
		`{{.HostConfig.RestartPolicy.Name}}`:                             "unless-stopped",
		`{{.Config.StopTimeout}}`:                                        "35",
		`{{index .Config.Labels "dev.panda.service"}}`:                   s.name,
		`{{index .Config.Labels "com.docker.compose.project"}}`:          s.world.name,
		`{{index .Config.Labels "com.docker.compose.container-number"}}`: "4",
	} {
		if got := s.engine.Run(t, "inspect", "--format", format, s.world.name+"-"+s.name+"-4"); got != want {
			t.Errorf("%s: got %q, want %q", format, got, want)
		}
	}
}

func TestACanaryThatFailsIsReturned(t *testing.T) {
	t.Parallel()
	s := start(t).serve(t, "tried", 2)
	s.calls(t, 1000)
	code, stdout, stderr := s.panda(t.Context(), t, "upgrade", "tried", "--image", s.image("broken"), "--canary", "10%", "--canary-time", "1m")
	if code != command.ExitFindings || !strings.Contains(stderr, "does worse: ") || !strings.Contains(stderr, "the old version serves as before") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if got := s.numbers(t); got != "1:v1 2:v1" {
		t.Errorf("containers %s", got)
	}
	s.registered(t, 2)
	reads, writes := s.load.Stop()
	failed, all := len(reads.Failed)+len(writes.Failed), reads.Calls+writes.Calls
	if failed == 0 || failed > all/5 {
		t.Errorf("%d of %d calls failed; the canary was to have a tenth of them for a moment", failed, all)
	}
}

func TestAVersionThatDoesNotStartChangesNothing(t *testing.T) {
	t.Parallel()
	s := start(t).serve(t, "refused", 1)
	err := s.upgrade(t.Context(), t, "dead", rollout.Plan{})
	if err == nil || !strings.Contains(err.Error(), s.world.name+"-refused-2 ended") || !strings.Contains(err.Error(), "this version does not start") {
		t.Errorf("got %v", err)
	}
	err = s.upgrade(t.Context(), t, "absent", rollout.Plan{})
	if err == nil || !strings.HasPrefix(err.Error(), `there is no image "`+s.image("absent")+`" at unix://`) {
		t.Errorf("got %v", err)
	}
	if got := s.numbers(t); got != "1:v1" {
		t.Errorf("containers %s", got)
	}
}

// TestAnInterruptedUpgradeChangesNothing ends the upgrade as Ctrl-C does: while a container of the new version starts, and when
// two of three are passing.
func TestAnInterruptedUpgradeChangesNothing(t *testing.T) {
	t.Parallel()
	s := start(t).serve(t, "interrupted", 3)
	for _, at := range []string{"a start", "two started"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		interrupt := errors.New("interrupted")
		if at == "a start" {
			go func() {
				eventually(t, "a container of the new version", func() bool { return len(s.containers(ctx, "--all")) > 3 })
				cancel(interrupt)
			}()
		}
		err := s.upgrade(ctx, t, "2", rollout.Plan{Observe: func(e rollout.Event) {
			if e.Kind == rollout.Started && e.Nth == 2 {
				cancel(interrupt)
			}
		}})
		cancel(nil)
		if !errors.Is(err, interrupt) {
			t.Errorf("%s: got %v", at, err)
		}
		if got := s.numbers(t); got != "1:v1 2:v1 3:v1" {
			t.Errorf("%s: containers %s", at, got)
		}
		s.registered(t, 3)
	}
	s.calls(t, 1000)
	s.noneFailed(t, 1000)
}

func TestDrainUnderLoad(t *testing.T) {
	t.Parallel()
	s := start(t).serve(t, "drained", 3)
	s.calls(t, enough/2)
	drained := s.world.name + "-drained-2"
	code, stdout, stderr := s.panda(t.Context(), t, "drain", drained)
	if code != 0 || !strings.HasPrefix(stdout, drained+" has drained in ") || !strings.HasSuffix(stdout, "; 2 instances serve on\n") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if got := s.numbers(t); got != "1:v1 3:v1" {
		t.Errorf("containers %s", got)
	}
	s.registered(t, 2)
	s.calls(t, enough/2)
	s.noneFailed(t, enough)
}
