//go:build linux

package containers_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pandakit/panda/conformance/drill"
	"github.com/pandakit/panda/internal/processid"
)

// TestKilledAtEachStep kills the command at each step. Nothing takes back what it has begun, so all that is there serves on, and
// the next command removes what serves nobody, and leaves as many as there are to be.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	s := start(t).serve(t, "killed", 2)
	s.half(t) // which the first upgrade removes
	program := drill.Build(t, filepath.Join("..", ".."), "./cmd/panda")
	environment := []string{"DOCKER_HOST=" + s.engine.Host, "CONSUL_HTTP_ADDR=" + s.consul, "XDG_RUNTIME_DIR=" + t.TempDir()}
	next := func(args ...string) (code int, told string) { // a process of its own, which has ended when the one after it looks
		command := exec.CommandContext(t.Context(), program, args...)
		command.Env = append(os.Environ(), environment...)
		output, err := command.CombinedOutput()
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
			t.Fatal(err)
		}
		return command.ProcessState.ExitCode(), string(output)
	}
	for _, step := range []struct {
		name       string
		args       string
		take       string // the line up to which its lines are taken; two later it is held
		left       string // containers that are there when it is killed
		registered int    // of them
		next       string // the command that follows
		tells      string
		want       string // containers that are there after it
	}{
		{
			"rehearse", "--image 2", "upgrading killed", "1:v1 2:v1 rehearsal:v2", 2,
			"scale killed=2", "-killed-rehearsal is removed, which an upgrade that was killed has left", "1:v1 2:v1",
		},
		{
			"start", "--image 2 --no-check", "upgrading killed", "1:v1 2:v1 3:v2", 3,
			"scale killed=2", "-killed-3 has drained", "1:v1 2:v1",
		},
		{
			"canary", "--image 2 --no-check --canary 10% --canary-time 1h", "takes 9.91% of the calls", "1:v1 2:v1 3:v2", 3,
			"upgrade killed --image 2", "3 instances, of which an upgrade that was killed has left 1 too many", "4:v2 5:v2",
		},
		{
			"drain", "--image 1 --no-check", "(1 of 2)", "1:v1 2:v1 5:v2", 3,
			"upgrade killed --image 1 --no-check", "3 instances, of which an upgrade that was killed has left 1 too many", "3:v1 4:v1",
		},
	} {
		args := func(line string) []string {
			fields := strings.Fields(line)
			for at := range fields[1:] {
				if fields[at] == "--image" {
					fields[at+1] = s.image(fields[at+1])
				}
			}
			return fields
		}
		upgrade := drill.StartHeld(t, environment, program, append([]string{"upgrade", "killed"}, args(step.args)...)...)
		upgrade.Take(step.take)
		eventually(t, step.name+": "+step.left, func() bool { return s.numbers(t) == step.left })
		s.registered(t, step.registered)
		if code, told := next(args(step.next)...); code != 1 || !strings.Contains(told, "killed is being upgraded by the process ") {
			t.Errorf("%s: panda %s beside the upgrade: exit code %d\n%s", step.name, step.next, code, told)
		}
		upgrade.Kill()
		s.calls(t, 500)
		code, told := next(args(step.next)...)
		if code != 0 || !strings.Contains(told, step.tells) {
			t.Fatalf("%s: panda %s: exit code %d\n%s", step.name, step.next, code, told)
		}
		t.Logf("%s: panda %s\n%s", step.name, step.next, told)
		if got := s.numbers(t); got != step.want {
			t.Fatalf("%s: containers %s, want %s", step.name, got, step.want)
		}
		s.registered(t, 2)
	}
	for _, container := range s.containers(t.Context()) {
		if env := s.engine.Run(t, "inspect", "--format", "{{.Config.Env}}", container); !strings.Contains(env, "PANDA_WEIGHT=100") {
			t.Errorf("%s has not the weight of those that it has replaced: %s", container, env)
		}
	}
	s.noneFailed(t, enough/2)
}

// half makes a container that was not started yet when the upgrade was killed that wanted it.
func (s *service) half(t *testing.T) {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	gone := processid.ID{PID: os.Getpid(), Started: "long ago"}
	mark, err := json.Marshal(map[string]any{"upgrade": "half", "replicas": 2, "host": host, "process": gone})
	if err != nil {
		t.Fatal(err)
	}
	s.engine.Run(t, "create", "--name", s.world.name+"-"+s.name+"-half", "--label", "dev.panda.service="+s.name,
		"--label", "com.docker.compose.project="+s.world.name, "--label", "dev.panda.upgrade="+string(mark), s.image("1"))
}
