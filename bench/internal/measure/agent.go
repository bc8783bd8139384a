package measure

import (
	"cmp"
	"context"
	"fmt"

	"github.com/pandakit/panda/bench/internal/fleet"
)

// agentFolder holds the agent that servers register with; it idles while calls are measured.
const agentFolder = "panda/agent"

// startAgent starts the agent unless it runs, and waits until it takes connections.
func (l *Lab) startAgent(ctx context.Context) error {
	if l.agent != nil {
		select {
		case <-l.agent.Ended(): // closed with the fleet of the experiment before
		default:
			return nil
		}
	}
	address, err := fleet.FreeAddress(ctx)
	if err != nil {
		return err
	}
	process, err := l.Fleet.Start(ctx, fleet.Command{
		Name: "agent",
		Path: l.binaries[agentFolder].Path,
		Args: []string{"-addr", address},
	})
	if err != nil {
		return err
	}
	if err := connect(ctx, process, address); err != nil {
		process.Kill()
		return err
	}
	l.agent, l.agentAddress = process, address
	return nil
}

// agentEnv tells a process of Panda's where the agent is.
func (l *Lab) agentEnv() []string { return []string{"CONSUL_HTTP_ADDR=" + l.agentAddress} }

// connect returns once the process takes connections at the address.
func connect(ctx context.Context, process *fleet.Process, address string) error {
	ctx, cancel := whileRunning(ctx, process)
	defer cancel()
	conn, err := dialUntilOpen(ctx, address)
	if err != nil {
		return fmt.Errorf("reach %s: %w", address, cmp.Or(context.Cause(ctx), err))
	}
	return conn.Close()
}
