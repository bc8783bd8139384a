package containers

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/engine"
	"github.com/pandakit/panda/internal/processid"
)

// upgradeLabel holds the mark of the upgrade that has started a container, as JSON.
const upgradeLabel = "dev.panda.upgrade"

// mark is what tells, when an upgrade was killed, how far it had come.
type mark struct {
	Upgrade  string       `json:"upgrade"`  // one of its own
	Replicas int          `json:"replicas"` // that the service is to have when it is done
	Canary   bool         `json:"canary,omitempty"`
	Host     string       `json:"host"` // of its process
	Process  processid.ID `json:"process"`
}

func newMark() mark {
	host, _ := os.Hostname() // without one nobody but a person cleans up
	return mark{Upgrade: rand.Text(), Host: host, Process: processid.Of(os.Getpid())}
}

// String returns the label's value.
func (m mark) String() string {
	text, _ := json.Marshal(m) //nolint:errchkjson // our own type
	return string(text)
}

// markOf returns the zero value for a container that no upgrade has started.
func markOf(c *engine.Container) mark {
	var m mark
	if json.Unmarshal([]byte(c.Labels[upgradeLabel]), &m) != nil {
		return mark{}
	}
	return m
}

// killed reports whether the upgrade's process is gone, as far as can be told from here.
func (m mark) killed(host string) bool { return m.Host != "" && m.Host == host && !m.Process.Alive() }

// wanted returns how many containers a service is to have of which these run, the oldest first: as many, unless the youngest is
// of an upgrade that has not replaced all others.
func wanted(live []engine.Container) int {
	last := markOf(&live[len(live)-1])
	if last.Upgrade == "" {
		return len(live)
	}
	others, canaries := 0, 0
	for i := range live {
		m := markOf(&live[i])
		if m.Upgrade != last.Upgrade {
			others++
		} else if m.Canary {
			canaries++
		}
	}
	if others == 0 {
		return max(len(live)-canaries, 1)
	}
	return max(min(last.Replicas, len(live)), 1)
}

// pattern returns the container that new ones are made like: the youngest, but no canary, which has another weight.
func pattern(live []engine.Container) engine.Container {
	for i := len(live) - 1; i >= 0; i-- {
		if !markOf(&live[i]).Canary {
			return live[i]
		}
	}
	return live[len(live)-1]
}

// runs reports whether the upgrade's process is another of this machine that has not ended.
func (m mark) runs(host string) bool {
	return m.Host != "" && m.Host == host && m.Process.PID != os.Getpid() && m.Process.Alive()
}

// sweep refuses to go on beside another command that upgrades the service from this machine, and removes what upgrades have
// left that were killed and that serves nobody: what was rehearsed, and what was made and not started yet.
func (f *Fleet) sweep(ctx context.Context) error {
	all, err := f.Engine.List(ctx, f.Service)
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // without one nothing is refused, and nothing removed
	for i := range all {
		if m := markOf(&all[i]); all[i].Project() == f.Project && m.runs(host) {
			return command.Advise(fmt.Errorf("%s is being upgraded by the process %d", f.Service, m.Process.PID), "wait for it, or end it with Ctrl-C")
		}
	}
	for i := range all {
		c := &all[i]
		idle := c.Labels[rehearsalLabel] != "" || c.State == "created"
		if !idle || c.Project() != f.Project || !markOf(c).killed(host) {
			continue
		}
		if err := f.Engine.Remove(ctx, c.ID); err != nil {
			return err
		}
		f.Tell(c.Name + " is removed, which an upgrade that was killed has left")
	}
	return nil
}
