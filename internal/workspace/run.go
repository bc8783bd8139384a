package workspace

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/backoff"
	"github.com/pandakit/panda/internal/workspace/health"
	"github.com/pandakit/panda/internal/workspace/process"
	"github.com/pandakit/panda/internal/workspace/supervise"
)

// Config is how a workspace is run.
type Config struct {
	Starter  *process.Starter
	Registry *health.Registry
	Environ  []string // of every instance, before what is given to each
	Binaries Binaries

	Grace    time.Duration // for an instance to end when asked
	Patience time.Duration // for an instance to be passing before it is called slow

	// Output returns what takes one output of the instance that has the label.
	Output func(label string) supervise.Output
	// Observe is told what happens. Calls do not overlap; they hold everything up, so it must not wait.
	Observe func(Event)
}

// inherited are variables that are given to each instance, so that those of panda's own environment would be wrong.
var inherited = []string{"PANDA_ADDR", "PANDA_INSTANCE", "PANDA_ADVERTISE"} //nolint:gochecknoglobals // constant

// deregisterTimeout bounds how long a registry can hold up what follows the end of an instance.
const deregisterTimeout = 2 * time.Second

// Run starts every service once those it waits for are ready, and keeps all running until ctx is done. Then
// it drains them, those that wait for others first, and returns when no process is left: nil, or a
// *[KilledError]. Closing kill ends the drain by force. It returns early when every service is a one-shot
// program and all have finished, and at once when an instance runs already elsewhere.
func (w *Workspace) Run(ctx context.Context, cfg Config, kill <-chan struct{}) error {
	r := newRunner(w, cfg, kill)
	if err := r.claim(ctx); err != nil {
		return err
	}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	var watchers sync.WaitGroup
	watchers.Go(func() { cfg.Registry.Follow(watching, r.owns, r.healthChanged) })
	watchers.Go(func() { r.noticeSlow(watching) })
	r.startThoseReady()
	select {
	case <-ctx.Done():
	case <-r.finished:
	}
	stopWatching()
	watchers.Wait()
	return r.drain()
}

// KilledError names the instances that had to be killed, since they did not end in time.
type KilledError struct{ Labels []string }

func (e *KilledError) Error() string {
	return "stop services: killed before they had drained: " + strings.Join(e.Labels, ", ")
}

// TakenError says that another program runs under an ID of this workspace.
type TakenError struct{ ID, Address, Registry string }

func (e *TakenError) Error() string {
	return fmt.Sprintf("start %s: an instance of this ID runs already at %s and is registered at %s", e.ID, e.Address, e.Registry)
}

// claim makes sure that no instance is registered under an ID of this workspace: what is left of a process
// that was killed is removed, one that answers is an error.
func (r *runner) claim(ctx context.Context) error {
	known, err := r.Registry.Instances(ctx)
	if err != nil {
		return nil //nolint:nilerr // services start without a registry too; that it is away is told by the watch
	}
	for _, id := range slices.Sorted(maps.Keys(r.instances)) {
		old, there := known[id]
		if !there {
			continue
		}
		if answers(ctx, old.Address) {
			return &TakenError{id, old.Address, r.Registry.String()}
		}
		if err := r.Registry.Deregister(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func answers(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = conn.Close() // it was only to be seen
	return true
}

// runner is a workspace while it runs. Its lock also orders the events that are told.
type runner struct {
	Config
	supervisor supervise.Supervisor
	kill       <-chan struct{}
	finished   chan struct{} // closed when every instance has finished

	mu        sync.Mutex
	stopping  bool
	told      bool // that all are ready
	away      time.Time
	services  []*running
	instances map[string]*instance // by ID
}

// running is a service while its workspace runs.
type running struct {
	*Service
	instances []*instance
	depth     int // 1 more than the deepest that it waits for
	started   bool
	stop      context.CancelFunc
	done      sync.WaitGroup // of its instances
}

// instance is one instance of a service. It has had processes, one after the other.
type instance struct {
	id, label string
	service   *running
	began     time.Time // of the current process; zero while there is none
	passing   bool
	told      *Event // why the current process is not passing, as it was told last; nil when it was not
	over      bool   // it has finished, or has been ready before
	finished  bool
	killed    bool
	seen      health.Instance
	stale     uint64 // the registration of a process that is gone
}

func newRunner(w *Workspace, cfg Config, kill <-chan struct{}) *runner {
	r := &runner{
		Config: cfg, kill: kill, finished: make(chan struct{}), instances: make(map[string]*instance),
		supervisor: supervise.Supervisor{Starter: cfg.Starter, Backoff: backoff.Default(), Grace: cfg.Grace},
	}
	depths := make(map[string]int)
	for _, service := range w.Services { // each after those it waits for
		s := &running{Service: service, depth: 1}
		for _, after := range service.After {
			s.depth = max(s.depth, depths[after]+1)
		}
		depths[service.Name] = s.depth
		for n := range service.Replicas {
			i := &instance{id: service.InstanceID(n + 1), label: service.Label(n + 1), service: s}
			s.instances = append(s.instances, i)
			r.instances[i.id] = i
		}
		r.services = append(r.services, s)
	}
	return r
}

func (r *runner) owns(id string) bool { return r.instances[id] != nil }

// startThoseReady starts every service that waits for nothing any more.
func (r *runner) startThoseReady() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance()
}

// advance starts what can be started now, and tells when all are ready or finished.
func (r *runner) advance() {
	if r.stopping {
		return
	}
	ready, finished := true, true
	for _, s := range r.services {
		if !s.started && r.allReady(s.After) {
			r.start(s)
		}
		ready = ready && s.ready()
		for _, i := range s.instances {
			finished = finished && i.finished
		}
	}
	if ready && !r.told {
		r.told = true
		r.Observe(Event{Kind: Ready, Count: len(r.instances)})
	}
	if finished {
		r.stopping = true
		r.Observe(Event{Kind: AllFinished, Count: len(r.instances)})
		close(r.finished)
	}
}

func (r *runner) allReady(names []string) bool {
	for _, s := range r.services {
		if slices.Contains(names, s.Name) && !s.ready() {
			return false
		}
	}
	return true
}

// ready reports whether every instance has been so once: a service that waits for this one is not held up by
// what happens later.
func (s *running) ready() bool {
	return !slices.ContainsFunc(s.instances, func(i *instance) bool { return !i.over })
}

func (r *runner) start(s *running) {
	s.started = true
	ctx, stop := context.WithCancel(context.Background()) // ended by drain
	s.stop = stop
	for _, i := range s.instances {
		supervised := &supervise.Instance{
			Command: process.Command{Path: r.Binaries[s.Name], Args: s.Args, Dir: s.Dir, Env: r.environ(i)},
			Oneshot: s.Oneshot,
			Stdout:  r.Output(i.label), Stderr: r.Output(i.label),
			Observe: func(e supervise.Event) { r.processChanged(i, e) },
			Ended:   func(ctx context.Context) { r.forget(ctx, i) },
		}
		s.done.Go(func() { r.supervisor.Run(ctx, supervised, r.kill) })
	}
}

// environ is that of one instance; of a variable that is there twice the last one counts.
func (r *runner) environ(i *instance) []string {
	env := slices.DeleteFunc(slices.Clone(r.Environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(inherited, name)
	})
	env = append(env, "PANDA_ADDR=127.0.0.1:0")
	for _, name := range slices.Sorted(maps.Keys(i.service.Env)) {
		env = append(env, name+"="+i.service.Env[name])
	}
	return append(env, "PANDA_INSTANCE="+i.id, "PWD="+i.service.Dir)
}

// forget takes an instance whose process is gone out of the registry, so that nobody calls it.
func (r *runner) forget(ctx context.Context, i *instance) {
	if i.service.Registry == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, deregisterTimeout)
	defer cancel()
	if err := r.Registry.Deregister(ctx, i.id); err != nil {
		r.mu.Lock()
		i.stale = 0 // the next process may take over this registration
		r.mu.Unlock()
	}
}

// drain ends all instances, those that wait for others first, and returns when none is left.
func (r *runner) drain() error {
	r.mu.Lock()
	if !r.stopping {
		r.stopping = true
		r.Observe(Event{Kind: Stopping, Count: r.running()})
	}
	r.mu.Unlock()
	deepest := 0
	for _, s := range r.services {
		deepest = max(deepest, s.depth)
	}
	for depth := deepest; depth > 0; depth-- {
		for _, s := range r.services {
			if s.depth == depth && s.started {
				s.stop()
			}
		}
		for _, s := range r.services {
			if s.depth == depth {
				s.done.Wait()
			}
		}
	}
	var killed []string
	for _, s := range r.services {
		for _, i := range s.instances {
			if i.killed {
				killed = append(killed, i.label)
			}
		}
	}
	if len(killed) > 0 {
		return &KilledError{killed}
	}
	return nil
}

// running returns how many instances have a process.
func (r *runner) running() int {
	n := 0
	for _, i := range r.instances {
		if !i.began.IsZero() {
			n++
		}
	}
	return n
}
