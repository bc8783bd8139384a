//go:build linux

package upgrade_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pandakit/panda/conformance/drill"
)

// An upgrade whose command is killed, at whichever step, costs no call: panda up leaves one version by itself, the new one when
// an old instance has drained, and the next command finds it so.
func TestKilledAtEachStep(t *testing.T) {
	const instances = 2
	l := start(t, instances)
	program := drill.Build(t, filepath.Join("..", ".."), "./cmd/panda")
	for n, step := range []struct {
		name     string
		args     []string
		take     string // the line up to which its lines are taken; two later it is held
		children int    // of the service, when it is
		upgraded bool
		next     []string // the command that follows
	}{
		{"rehearse", nil, "upgrading drill", instances + 1, false, []string{"scale", "drill=2"}},
		{"canary", []string{"--canary", "20%", "--canary-time", "1h"}, "takes 20% of the calls", instances + 1, false, []string{"scale", "drill=2"}},
		{"start", nil, "where nobody calls it", instances + 1, false, []string{"upgrade", "drill"}},
		{"drain", nil, "(1 of 2)", 2*instances - 1, true, []string{"upgrade", "drill"}},
	} {
		before := drill.Children(t)
		drill.Save(t, filepath.Join(l.Root, "drill", "version.go"), drill.Version(n+1))
		upgrade := drill.StartHeld(t, l.Environment(), program, append([]string{"upgrade", "drill"}, step.args...)...)
		upgrade.Take(step.take)
		l.Until(step.name, func() bool { return len(drill.Children(t)) == step.children+1 }) // and the command
		upgrade.Kill()
		l.next(step.next...)
		after := drill.Children(t)
		fresh := slices.DeleteFunc(slices.Clone(after), func(pid int) bool { return slices.Contains(before, pid) })
		wantFresh := 0
		if step.upgraded || step.next[0] == "upgrade" {
			wantFresh = instances
		}
		if len(after) != instances || len(fresh) != wantFresh {
			t.Errorf("%s: there were %v, and now there are %v, of which %d were to be new", step.name, before, after, wantFresh)
		}
	}
	l.onlyAnswering(func(pids []uint32) bool { return len(pids) == instances })
	l.noneFailed()
}

// next runs the command that comes after one that was killed. Before panda up has seen that the other is gone, it is told
// that the service is being upgraded; from then on it waits for what is left to do.
func (l *loaded) next(args ...string) {
	l.t.Helper()
	l.Until("panda "+strings.Join(args, " "), func() bool {
		code, output := l.Panda(l.t.Context(), args...)
		if code != 0 && !strings.Contains(output, "drill is being upgraded") {
			l.t.Fatalf("panda %s: exit code %d\n%s", strings.Join(args, " "), code, output)
		}
		l.t.Logf("panda %s\n%s", strings.Join(args, " "), output)
		return code == 0
	})
}
