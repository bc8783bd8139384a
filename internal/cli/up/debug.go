package up

import (
	"errors"
	"fmt"
	"net"
	"os/exec"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/workspace"
)

// setDebugger has the service of --debug run under dlv.
func (o *options) setDebugger(work *workspace.Workspace) error {
	if o.debug == "" {
		return nil
	}
	if work.Service(o.debug) == nil {
		return command.Usagef("--debug %q: %w", o.debug, work.Unknown(o.debug))
	}
	dlv, err := exec.LookPath("dlv")
	if err != nil {
		return command.Advise(errors.New("debug "+o.debug+": dlv is not on PATH"),
			"get it with: go install github.com/go-delve/delve/cmd/dlv@latest")
	}
	address, err := freeAddress()
	if err != nil {
		return fmt.Errorf("debug %s: %w", o.debug, err)
	}
	if err := work.Debug(o.debug, workspace.Debugger{Path: dlv, Address: address}); err != nil {
		return command.Usagef("--debug %q: %w", o.debug, err)
	}
	return nil
}

// freeAddress returns one that nothing listens at now: dlv, which is to, takes no listener.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// tellDebugger says where the debugger listens.
func (s *screen) tellDebugger() {
	for _, service := range s.work.Services {
		if service.Debugger != nil {
			s.say("%s runs under dlv; debug it with: dlv connect %s", service.Name, service.Debugger.Address)
		}
	}
}
