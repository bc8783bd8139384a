package workspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/backoff"
	"github.com/pandakit/panda/internal/process"
	"github.com/pandakit/panda/internal/workspace/build"
	"github.com/pandakit/panda/internal/workspace/health"
	"github.com/pandakit/panda/internal/workspace/supervise"
)

// Config is how a workspace is run. Fields are required but for those that say what they are without.
type Config struct {
	Starter  *process.Starter
	Registry *health.Registry
	Environ  []string // of every instance, before what is given to each
	Binaries Binaries

	// Listen is the address, with port 0, of each instance whose panda.yaml names none: where those that find it in the
	// registry can reach it. Empty: a port of loopback.
	Listen string

	Grace    time.Duration // for an instance to end when asked
	Patience time.Duration // for an instance to be passing before it is called slow, or a new one is given up

	// Output returns what takes one output of the instance that has the label.
	Output func(label string) supervise.Output
	// Observe is told what happens. Calls do not overlap; they hold everything up, so it must not wait.
	Observe func(Event)

	// Build says how services are built anew. Nil: a restart runs the same executable again.
	Build *build.Config
	// Reload watches the files that services are made of, and replaces what a change makes different. It needs Build.
	Reload bool
	// Since is when the executables began to be built: what was saved after it is taken up at the start. The zero time
	// takes nothing up.
	Since time.Time
	// Generate makes code from .proto files that were saved, before services are built; problems are its error.
	// It is given absolute paths, of files that may be gone by then, and never called twice at once. Nil: .proto files are not watched.
	Generate func(ctx context.Context, files []string) error
}

// inherited are variables that are given to each instance, so that those of panda's own environment would be wrong.
var inherited = []string{"PANDA_ADDR", "PANDA_INSTANCE", "PANDA_ADVERTISE", "PANDA_WEIGHT", "PANDA_REGISTER"} //nolint:gochecknoglobals // constant

// deregisterTimeout bounds how long a registry can hold up what follows the end of an instance.
const deregisterTimeout = 2 * time.Second

// Run is [NewRunner] and [Runner.Run] in one.
func (w *Workspace) Run(ctx context.Context, cfg Config, kill <-chan struct{}) error {
	return NewRunner(w, cfg).Run(ctx, kill)
}

// Runner is a workspace that runs. But for Run, its methods may be called from several goroutines, and at any
// time: before Run has begun and after it has ended they return an error.
type Runner struct {
	Config
	folders    []string // of the workspace
	supervisor supervise.Supervisor
	kill       <-chan struct{}
	finished   chan struct{} // closed when every instance has finished
	processes  sync.WaitGroup
	rolling    lock // held by what builds and replaces, so that no older build wins

	mu         sync.Mutex // also orders the events that are told
	running    bool
	stopping   bool
	acting     context.Context //nolint:containedctx // of what is done to services while they run; it ends when they are to stop
	stopActing context.CancelFunc
	actions    sync.WaitGroup
	told       bool // that all are ready
	away       time.Time
	services   []*running
	instances  map[string]*instance       // by ID: all that have a process, or are to have one
	foreign    map[string]health.Instance // by ID: registered under the name of a service, and none of ours
	changed    chan struct{}              // closed when foreign changes
	binaries   map[string]*binary         // by path
	built      int                        // folders for executables that have been made
	killed     []string
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

// NewRunner returns a runner that has started nothing yet. The workspace must not be changed any more.
func NewRunner(w *Workspace, cfg Config) *Runner {
	r := &Runner{
		Config: cfg, folders: w.Folders, finished: make(chan struct{}), rolling: newLock(), changed: make(chan struct{}),
		instances: make(map[string]*instance), foreign: make(map[string]health.Instance), binaries: make(map[string]*binary),
		supervisor: supervise.Supervisor{Starter: cfg.Starter, Backoff: backoff.Default(), Grace: cfg.Grace},
	}
	depths := make(map[string]int)
	for _, service := range w.Services { // each after those it waits for
		s := &running{
			Service: service, depth: 1, replicas: service.Replicas, busy: newLock(), generations: make(map[int]int),
		}
		for _, after := range service.After {
			s.depth = max(s.depth, depths[after]+1)
		}
		depths[service.Name] = s.depth
		s.binary = r.keep(cfg.Binaries[service.Name])
		r.services = append(r.services, s)
	}
	return r
}

// Run starts every service once those it waits for are ready, and keeps all running until ctx is done. Then
// it drains them, those that wait for others first, and returns when no process is left: nil, or a
// *[KilledError]. Closing kill ends the drain by force. It returns early when every service is a one-shot
// program and all have finished, and at once when an instance runs already elsewhere. It is called once.
func (r *Runner) Run(ctx context.Context, kill <-chan struct{}) error {
	if err := r.claim(ctx); err != nil {
		return err
	}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	acting, stopActing := context.WithCancel(ctx)
	defer stopActing()
	r.begin(acting, stopActing, kill)
	var watchers sync.WaitGroup
	watchers.Go(func() { r.Registry.Follow(watching, r.follows, r.healthChanged) })
	watchers.Go(func() { r.noticeSlow(watching) })
	if r.Reload && r.Build != nil {
		watchers.Go(func() { r.reload(watching) })
	}
	select {
	case <-ctx.Done():
	case <-r.finished:
	}
	r.end()
	stopWatching()
	watchers.Wait()
	return r.drain()
}

func (r *Runner) begin(acting context.Context, stop context.CancelFunc, kill <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running, r.acting, r.stopActing, r.kill = true, acting, stop, kill
	r.advance()
}

// end lets nothing more be done to services, and waits until what is under way has seen it.
func (r *Runner) end() {
	r.mu.Lock()
	if !r.stopping {
		r.stopping = true
		r.Observe(Event{Kind: Stopping, Count: r.withProcess()})
	}
	r.stopActing()
	r.mu.Unlock()
	r.actions.Wait()
}

// act runs do, which is about services that run, with a context that ends with ctx and when they are to stop.
func (r *Runner) act(ctx context.Context, do func(ctx context.Context) error) error {
	r.mu.Lock()
	if !r.running || r.stopping {
		r.mu.Unlock()
		return errors.New("the services are not running, or are being stopped")
	}
	acting := r.acting
	r.actions.Add(1)
	r.mu.Unlock()
	defer r.actions.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(acting, cancel)()
	err := do(ctx)
	if acting.Err() != nil && errors.Is(err, context.Canceled) {
		return errors.New("the services are being stopped")
	}
	return err
}

// own matches the ID of an instance, but for its beginning, which is the name of the service.
var own = regexp.MustCompile(`^(.+)-[1-9]\d*(?:\.[1-9]\d*)?$`) //nolint:gochecknoglobals // constant

// nameOf returns the name of the service that would have an instance of the ID, "" when none would.
func nameOf(id string) string {
	if parts := own.FindStringSubmatch(id); len(parts) > 1 {
		return parts[1]
	}
	return ""
}

// claim makes sure that no instance is registered under an ID of this workspace: what is left of a process
// that was killed is removed, one that answers is an error.
func (r *Runner) claim(ctx context.Context) error {
	known, err := r.Registry.Instances(ctx)
	if err != nil {
		return nil //nolint:nilerr // services start without a registry too; that it is away is told by the watch
	}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		if r.service(nameOf(id)) == nil {
			continue
		}
		if answers(ctx, known[id].Address) {
			return &TakenError{id, known[id].Address, r.Registry.String()}
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

// advance starts what can be started now, and tells when all are ready or finished.
func (r *Runner) advance() {
	if r.stopping {
		return
	}
	ready, finished, count := true, true, 0
	for _, s := range r.services {
		if !s.started && r.allReady(s.After) {
			s.started = true
			for n := range s.replicas {
				s.instances = append(s.instances, r.launch(s, n+1, s.Label(n+1), serving))
			}
		}
		s.ready = s.ready || s.started && len(s.instances) > 0 && !slices.ContainsFunc(s.instances, func(i *instance) bool { return !i.over })
		ready = ready && s.ready
		finished = finished && s.finished()
		count += len(s.instances)
	}
	if ready && !r.told {
		r.told = true
		r.Observe(Event{Kind: Ready, Count: count})
	}
	if finished {
		r.stopping = true
		r.Observe(Event{Kind: AllFinished, Count: count})
		close(r.finished)
	}
}

func (r *Runner) allReady(names []string) bool {
	for _, s := range r.services {
		if slices.Contains(names, s.Name) && !s.ready {
			return false
		}
	}
	return true
}

// drain ends all instances, those that wait for others first, and returns when none is left.
func (r *Runner) drain() error {
	deepest := 0
	for _, s := range r.services {
		deepest = max(deepest, s.depth)
	}
	for depth := deepest; depth > 0; depth-- {
		var leaving []*instance
		r.mu.Lock()
		for _, i := range r.instances {
			if i.service.depth == depth {
				i.stop()
				leaving = append(leaving, i)
			}
		}
		r.mu.Unlock()
		for _, i := range leaving {
			<-i.done
		}
	}
	r.processes.Wait()
	if len(r.killed) > 0 {
		slices.Sort(r.killed)
		return &KilledError{r.killed}
	}
	return nil
}

// withProcess returns how many instances have a process, those that end already left out.
func (r *Runner) withProcess() int {
	n := 0
	for _, i := range r.instances {
		if !i.began.IsZero() && i.role != leaving && i.role != stopping {
			n++
		}
	}
	return n
}

func (r *Runner) service(name string) *running {
	for _, s := range r.services {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// lock is a mutex whose waiters can give up.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) acquire(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l lock) release() { <-l }
