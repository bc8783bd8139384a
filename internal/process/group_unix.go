//go:build unix

package process

import (
	"os"
	"os/exec"
	"syscall"
)

// group is a process group, whose ID is that of its leader.
type group struct{ leader *os.Process }

// isolate makes the command lead a group of its own.
func isolate(command *exec.Cmd) { command.SysProcAttr = attributes() }

func adopt(leader *os.Process) *group { return &group{leader} }

// terminate asks the leader alone: it knows how to end what it has started.
func (g *group) terminate() { _ = g.leader.Signal(syscall.SIGTERM) } // gone already is as good

// kill reaches every process of the group, the leader's children that outlived it among them. The ID of a
// group is not given to another as long as it has a member, and kill is a matter of microseconds after that.
func (g *group) kill() { _ = syscall.Kill(-g.leader.Pid, syscall.SIGKILL) }

func (g *group) close() {}

func signalOf(state *os.ProcessState) string {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal().String()
	}
	return ""
}
