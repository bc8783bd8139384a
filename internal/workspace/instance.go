package workspace

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pandakit/panda/internal/process"
	"github.com/pandakit/panda/internal/workspace/health"
	"github.com/pandakit/panda/internal/workspace/supervise"
)

// running is a service while its workspace runs. Its fields are guarded by the runner's lock.
type running struct {
	*Service
	depth       int         // 1 more than the deepest that it waits for
	replicas    int         // that are wanted
	instances   []*instance // that serve, or are to, by their places
	generations map[int]int // how many instances each place has had
	binary      *binary
	started     bool
	ready       bool // every instance has been so once: what waits for this service is not held up by what happens later
	stopped     bool // as it was asked to
	alone       bool // two processes cannot run at once, as has been found out
	attached    *attachment
	upgrade     *Upgrade // while there is one; see upgrading

	busy lock // held by what changes instances
}

// finished reports whether nothing of the service will run any more.
func (s *running) finished() bool {
	return s.started && len(s.instances) > 0 && !slices.ContainsFunc(s.instances, func(i *instance) bool { return !i.finished })
}

// role is what an instance is there for.
type role int

const (
	serving   role = iota
	candidate      // to take over, or to be one more, if it passes
	leaving        // asked to end, and not to be told of unless something goes wrong
	stopping       // asked to end
)

// instance is one instance of a service. It has had processes, one after the other.
type instance struct {
	id, label string
	n         int // its place, counted from 1
	service   *running
	binary    *binary
	role      role
	began     time.Time // of the current process; zero while there is none
	pid       int
	passing   bool
	told      *Event // why the current process is not passing, as it was told last; nil when it was not
	over      bool   // it has finished, or has been ready before
	finished  bool
	seen      health.Instance
	stale     uint64 // the registration of a process that is gone
	killed    bool   // it did not end in time when it was asked to; read after done is closed
	extra     []string

	portTaken atomic.Bool // a candidate said that an address is in use

	decided chan struct{} // closed when it is ready for the first time, and when it will not be, as failure says
	failure error
	stop    context.CancelFunc
	done    chan struct{} // closed when nothing of it runs any more
}

// binary is an executable, which is removed once nothing uses it.
type binary struct {
	path string
	uses int
	sum  digest
}

// keep takes note of one more use of an executable.
func (r *Runner) keep(path string) *binary {
	b := r.binaries[path]
	if b == nil {
		b = &binary{path: path}
		r.binaries[path] = b
	}
	b.uses++
	return b
}

func (r *Runner) drop(b *binary) {
	if b.uses--; b.uses == 0 && b.path != "" {
		delete(r.binaries, b.path)
		r.remove(b.path)
	}
}

// launch starts an instance in place n of the service and returns at once. Its ID is its own: another one in
// its place may be registered still. extra are variables of its own.
func (r *Runner) launch(s *running, n int, label string, as role, extra ...string) *instance {
	s.generations[n]++
	i := &instance{
		id: s.InstanceID(n), label: label, n: n, service: s, role: as, binary: r.keep(s.binary.path),
		decided: make(chan struct{}), done: make(chan struct{}), extra: extra,
	}
	if generation := s.generations[n]; generation > 1 {
		i.id += "." + strconv.Itoa(generation)
	}
	r.instances[i.id] = i
	var ctx context.Context
	ctx, i.stop = context.WithCancel(context.Background()) // ended by stop
	supervised := &supervise.Instance{
		Command: process.Command{Path: i.binary.path, Args: s.Args, Dir: s.Dir, Env: r.environ(i)},
		Oneshot: s.Oneshot,
		Stdout:  r.Output(i.label), Stderr: r.Output(i.label),
		Observe: func(e supervise.Event) { r.processChanged(i, e) },
		Ended:   func(ctx context.Context) { r.forget(ctx, i) },
	}
	if as == candidate {
		supervised.Stdout, supervised.Stderr = listener{supervised.Stdout, &i.portTaken}, listener{supervised.Stderr, &i.portTaken}
	}
	if s.Debugger != nil {
		supervised.Command.Path, supervised.Command.Args = s.Debugger.command(i.binary.path, s.Args)
	}
	kill := r.kill
	r.processes.Go(func() {
		r.supervisor.Run(ctx, supervised, kill)
		i.stop()
		r.gone(i)
	})
	return i
}

// listener passes output on, and notices when a program says that it cannot have an address.
type listener struct {
	supervise.Output
	taken *atomic.Bool
}

// inUse are the words of Unix and of Windows for it.
var inUse = [][]byte{[]byte("address already in use"), []byte("Only one usage of each socket address")} //nolint:gochecknoglobals // constant

func (l listener) Write(p []byte) (int, error) {
	if slices.ContainsFunc(inUse, func(words []byte) bool { return bytes.Contains(p, words) }) {
		l.taken.Store(true)
	}
	return l.Output.Write(p)
}

// gone takes note that nothing of an instance runs any more.
func (r *Runner) gone(i *instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.instances, i.id)
	r.drop(i.binary)
	i.decide(errEnded)
	close(i.done)
}

// decide says once and for all whether the instance became ready.
func (i *instance) decide(failure error) {
	select {
	case <-i.decided:
	default:
		i.failure = failure
		close(i.decided)
	}
}

// environ is that of one instance; of a variable that is there twice the last one counts.
func (r *Runner) environ(i *instance) []string {
	env := slices.DeleteFunc(slices.Clone(r.Environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(inherited, name)
	})
	env = append(env, "PANDA_ADDR="+cmp.Or(r.Listen, "127.0.0.1:0"), "PANDA_WEIGHT="+strconv.Itoa(DefaultWeight))
	for _, name := range slices.Sorted(maps.Keys(i.service.Env)) {
		env = append(env, name+"="+i.service.Env[name])
	}
	env = append(env, "PANDA_INSTANCE="+i.id, "PWD="+i.service.Dir)
	return append(env, i.extra...)
}

// forget takes an instance whose process is gone out of the registry, so that nobody calls it.
func (r *Runner) forget(ctx context.Context, i *instance) {
	if i.service.Registry == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deregisterTimeout)
	defer cancel()
	if err := r.Registry.Deregister(ctx, i.id); err != nil {
		r.mu.Lock()
		i.stale = 0 // the next process may take over this registration
		r.mu.Unlock()
	}
}
