package cluster

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
)

// turn returns a node and its member, in the turn of the caller until done is called. The errors are an
// *[UnknownNodeError] and a *[RefusedError], when the node is in none of the states.
func (c *Cluster) turn(node, act string, states ...State) (n *Node, m *member, done func(), err error) {
	n, err = c.Node(node)
	if err != nil {
		return nil, nil, nil, err
	}
	c.acting.Lock()
	c.mu.Lock()
	defer c.mu.Unlock()
	m = c.members[node]
	if c.closed || m == nil {
		c.acting.Unlock()
		return nil, nil, nil, &RefusedError{fmt.Sprintf("%s %s: the cluster is down", act, node)}
	}
	if slices.Contains(states, m.state) {
		return n, m, c.acting.Unlock, nil
	}
	c.acting.Unlock()
	return nil, nil, nil, &RefusedError{fmt.Sprintf("%s %s: it is %s", act, node, m.state)}
}

func (c *Cluster) set(m *member, s State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.state = s
}

// Kill ends a node at once, as the loss of power does, and returns when its process is gone. Its data stays.
func (c *Cluster) Kill(node string) error {
	_, m, done, err := c.turn(node, "kill", Running, Frozen)
	if err != nil {
		return err
	}
	defer done()
	c.set(m, Dead)
	m.process.Kill()
	<-m.watched
	c.tell(node, "killed")
	return nil
}

// Stop has a node leave the cluster, which then does not miss it, and returns when its process is gone.
func (c *Cluster) Stop(ctx context.Context, node string) error {
	n, m, done, err := c.turn(node, "stop", Running)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	c.set(m, Left) // its end is expected from now on
	if err := c.call(ctx, n, http.MethodPut, "/v1/agent/leave", nil, nil); err != nil && !ended(m) {
		c.set(m, Running)
		return fmt.Errorf("stop %s: %w", node, err)
	}
	select {
	case <-m.process.Done(): // it ends once it has left
	case <-ctx.Done():
		m.process.Kill()
		<-m.watched
		return fmt.Errorf("stop %s: it did not end after it was told to leave: %w", node, ctx.Err())
	}
	<-m.watched
	c.tell(node, "left")
	return nil
}

func ended(m *member) bool {
	select {
	case <-m.process.Done():
		return true
	default:
		return false
	}
}

// Start starts a node that is dead or has left, with the data that it had, and returns when its API answers; whether there
// is a leader is another question.
func (c *Cluster) Start(ctx context.Context, node string) error {
	n, _, done, err := c.turn(node, "start", Dead, Left)
	if err != nil {
		return err
	}
	defer done()
	return c.restart(ctx, n)
}

func (c *Cluster) restart(ctx context.Context, n *Node) error {
	if c.cfg.Lab == nil {
		if err := n.checkFree(); err != nil {
			return fmt.Errorf("start %s: %w", n.Name, err)
		}
	}
	if err := c.launch(n); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := c.await(ctx, func(ctx context.Context) error { return c.answers(ctx, n) }); err != nil {
		return err
	}
	c.tell(n.Name, "started")
	return nil
}

// Reset starts a node that is dead or has left as Start does, but empty: without the data that it had, which is what becomes
// of a container that is made anew.
func (c *Cluster) Reset(ctx context.Context, node string) error {
	n, _, done, err := c.turn(node, "reset", Dead, Left)
	if err != nil {
		return err
	}
	defer done()
	if err := os.RemoveAll(n.data()); err != nil {
		return fmt.Errorf("reset %s: %w", node, err)
	}
	if err := n.writeConfiguration(); err != nil {
		return err
	}
	return c.restart(ctx, n)
}

// Freeze stops a node's process where it stands: connections stay open, and nothing is answered. Not on Windows.
func (c *Cluster) Freeze(node string) error {
	_, m, done, err := c.turn(node, "freeze", Running)
	if err != nil {
		return err
	}
	defer done()
	if err := freeze(m.process.PID()); err != nil {
		return fmt.Errorf("freeze %s: %w", node, err)
	}
	c.set(m, Frozen)
	c.tell(node, "frozen")
	return nil
}

// Thaw lets a frozen node go on.
func (c *Cluster) Thaw(node string) error {
	_, m, done, err := c.turn(node, "thaw", Frozen)
	if err != nil {
		return err
	}
	defer done()
	if err := thaw(m.process.PID()); err != nil {
		return fmt.Errorf("thaw %s: %w", node, err)
	}
	c.set(m, Running)
	c.tell(node, "thawed")
	return nil
}
