package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/nearname"
	"github.com/pandakit/panda/internal/process"
)

// State is what became of a node's process.
type State string

// The states.
const (
	Running State = "running"
	Frozen  State = "frozen"
	Dead    State = "dead" // killed, or ended by itself
	Left    State = "left" // it left the cluster, and ended
)

// Cluster is one that was started. Its methods may be called from several goroutines; those that change nodes take their
// turn.
type Cluster struct {
	cfg     Config
	version release
	nodes   []*Node
	starter *process.Starter
	client  *http.Client
	acting  sync.Mutex // held by who changes nodes

	mu      sync.Mutex // guards what follows
	keys    secrets
	members map[string]*member
	closed  bool
}

// member is a node that was started.
type member struct {
	process *process.Process
	output  *process.Tail
	state   State
	watched chan struct{} // closed when the end of the process is in state
}

// Start starts a cluster, whose data may be in the folder from an earlier time, and returns when it has a leader and every
// node sees all others. An error, also the end of ctx, leaves no process, and no file in a folder that was empty.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("start a cluster: %w", err)
	}
	cfg.Environ = withoutConsul(cfg.Environ)
	version, err := versionOf(ctx, cfg.Binary, cfg.Environ)
	if err != nil {
		return nil, err
	}
	fresh := !exists(cfg.Folder)
	c, made, err := prepare(cfg, version)
	if err == nil {
		if err = c.startAll(ctx); err == nil {
			return c, nil
		}
		c.Close()
	}
	if made {
		err = errors.Join(err, empty(cfg.Folder))
	}
	if fresh {
		_ = os.Remove(cfg.Folder) // it is empty, if it came to be
	}
	return nil, err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// empty removes what is in a folder.
func empty(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(folder, e.Name())))
	}
	return err
}

// prepare writes all that nodes need, and checks that their addresses are free. made says that the folder was empty.
func prepare(cfg Config, version release) (c *Cluster, made bool, err error) {
	wanted := shapeOf(cfg, plan(cfg, secrets{}, version))
	keys, found, err := openFolder(cfg.Folder, wanted)
	if err != nil {
		return nil, false, err
	}
	if !found {
		keys = newSecrets(Names(cfg.Servers, cfg.Clients))
	}
	c = &Cluster{cfg: cfg, version: version, keys: keys, nodes: plan(cfg, keys, version), members: map[string]*member{}}
	if cfg.Lab == nil {
		if err := c.checkFree(); err != nil {
			return nil, false, err
		}
	}
	if err := os.MkdirAll(cfg.Folder, 0o700); err != nil {
		return nil, false, fmt.Errorf("make the cluster's folder: %w", err)
	}
	if !found {
		if err := (record{wanted, keys}).save(cfg.Folder); err != nil {
			return nil, true, fmt.Errorf("fill the cluster's folder: %w", err)
		}
		if err := c.writeSecrets(time.Now()); err != nil {
			return nil, true, fmt.Errorf("fill the cluster's folder: %w", err)
		}
	}
	for _, n := range c.nodes {
		if err := n.writeConfiguration(); err != nil {
			return nil, !found, err
		}
	}
	if err := c.connect(); err != nil {
		return nil, !found, err
	}
	c.starter = process.NewStarter()
	return c, !found, nil
}

func (c *Cluster) writeSecrets(now time.Time) error {
	if c.cfg.TLS {
		if err := writeCertificates(c.cfg.Folder, c.nodes, now); err != nil {
			return err
		}
	}
	if !c.cfg.ACL {
		return nil
	}
	folder := filepath.Join(c.cfg.Folder, "tokens")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, t := range []struct{ name, secret string }{
		{"management", c.keys.Management.Secret}, {"reader", c.keys.Reader.Secret},
	} {
		if err := writeFile(filepath.Join(folder, t.name), []byte(t.secret+"\n")); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) writeConfiguration() error {
	text, err := n.configuration()
	if err != nil {
		return err
	}
	for _, folder := range []string{n.data(), n.config()} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("make the folders of %s: %w", n.Name, err)
		}
	}
	if err := writeFile(filepath.Join(n.config(), "panda.json"), text); err != nil {
		return fmt.Errorf("write the configuration of %s: %w", n.Name, err)
	}
	return nil
}

// startAll starts servers before clients, which need tokens that only a cluster with a leader can make.
func (c *Cluster) startAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, servers := range []bool{true, false} {
		for _, n := range c.nodes {
			if n.Server != servers {
				continue
			}
			if err := c.launch(n); err != nil {
				return err
			}
		}
		if servers && c.cfg.ACL {
			if err := c.await(ctx, c.hasLeader); err != nil {
				return err
			}
			if err := c.makeTokens(ctx); err != nil {
				return err
			}
		}
	}
	return c.Ready(ctx)
}

// launch starts a node's process.
func (c *Cluster) launch(n *Node) error {
	path, args := c.cfg.Binary, n.Arguments
	if c.cfg.Lab != nil {
		cmd := c.cfg.Lab.Command(context.Background(), n.Name, path, args...)
		if cmd.Err != nil {
			return cmd.Err
		}
		path, args = cmd.Path, cmd.Args[1:]
	}
	m := &member{output: new(process.Tail), state: Running, watched: make(chan struct{})}
	p, err := c.starter.Start(process.Command{Path: path, Args: args, Dir: n.Folder, Env: c.cfg.Environ, Stdout: m.output, Stderr: m.output})
	if err != nil {
		return fmt.Errorf("start node %s: %w", n.Name, err)
	}
	m.process = p
	c.mu.Lock()
	c.members[n.Name] = m
	c.mu.Unlock()
	go c.watch(n, m)
	return nil
}

// watch sees the end of a process.
func (c *Cluster) watch(n *Node, m *member) {
	defer close(m.watched)
	exit := m.process.Exit()
	c.mu.Lock()
	asked := m.state != Running && m.state != Frozen || c.closed
	if !asked {
		m.state = Dead
	}
	c.mu.Unlock()
	if !asked {
		c.tell(n.Name, fmt.Sprintf("ended by itself: %v; %s", exit, lastError(m.output.String())))
	}
}

// lastError returns the last line of an agent's output that tells an error, else the last line.
func lastError(output string) string {
	last, lastError := "", ""
	for line := range strings.Lines(strings.TrimSpace(output)) {
		last = strings.TrimSpace(line)
		if strings.Contains(line, "[ERROR]") || strings.HasPrefix(line, "==>") {
			lastError = last
		}
	}
	return cmp.Or(lastError, last, "it printed nothing")
}

func (c *Cluster) tell(node, what string) {
	if c.cfg.Observe != nil {
		c.cfg.Observe(node, what)
	}
}

// Close ends all processes, asking first; nodes do not leave the cluster, whose data stays. It may be called twice.
func (c *Cluster) Close() {
	c.acting.Lock()
	defer c.acting.Unlock()
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	var all []*member
	for _, m := range c.members {
		all = append(all, m)
	}
	c.mu.Unlock()
	if !first {
		return
	}
	var ending sync.WaitGroup
	for _, m := range all {
		ending.Go(func() {
			if c.stateOf(m) == Frozen {
				m.process.Kill()
			}
			m.process.Stop(stopGrace, nil)
			<-m.watched
		})
	}
	ending.Wait()
	c.starter.Close()
	c.client.CloseIdleConnections()
}

func (c *Cluster) stateOf(m *member) State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return m.state
}

// Nodes returns the names of all nodes, servers first.
func (c *Cluster) Nodes() []string { return Names(c.cfg.Servers, c.cfg.Clients) }

// UnknownNodeError says that the cluster has no node of a name.
type UnknownNodeError struct {
	Name  string
	Known []string
}

func (e *UnknownNodeError) Error() string {
	text := fmt.Sprintf("no node is called %q", e.Name)
	if near := nearname.Of(e.Name, e.Known); len(near) > 0 {
		return text + "; near: " + strings.Join(near, ", ")
	}
	return text + "; there are " + strings.Join(e.Known, ", ")
}

// RefusedError says why something makes no sense as things are.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return e.Text }

// Node returns how a node was planned. The error is an *[UnknownNodeError].
func (c *Cluster) Node(name string) (*Node, error) {
	for _, n := range c.nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return nil, &UnknownNodeError{name, c.Nodes()}
}

// API returns the host and port of a node's HTTP API; "" for an unknown node.
func (c *Cluster) API(node string) string {
	if n, err := c.Node(node); err == nil {
		return n.API()
	}
	return ""
}

// Version returns the version of the Consul that the nodes are.
func (c *Cluster) Version() string { return c.version.text }

// Management returns the secret of the token that may do everything; "" without ACL.
func (c *Cluster) Management() string {
	if !c.cfg.ACL {
		return ""
	}
	return c.keys.Management.Secret
}

// Reader returns the secret of the token that may only find services and nodes; "" without ACL.
func (c *Cluster) Reader() string {
	if !c.cfg.ACL {
		return ""
	}
	return c.keys.Reader.Secret
}

// CAFile returns the file with the certificate of the cluster's authority; "" without TLS.
func (c *Cluster) CAFile() string {
	if !c.cfg.TLS {
		return ""
	}
	return caFile(c.cfg.Folder)
}
