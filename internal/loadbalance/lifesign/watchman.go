package lifesign

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// askAgain is how often a silent instance is asked on a new connection: what is in flight to a host that was away comes
	// late, because each packet of it is sent again more and more rarely.
	askAgain = time.Second
	// answerTime is how long an answer is waited for that nothing hinders but the instance's own pace.
	answerTime = 4 * time.Second
)

// Answer is what came of a question.
type Answer int

const (
	// Nothing came, or word from others that the instance cannot be reached.
	Nothing Answer = iota
	// Alive: the instance said something.
	Alive
	// Refused: its host said that nobody listens, or hung up. That is no silence: calls to it fail, and at once.
	Refused
)

// Host is one instance as its client sees it. A [Watchman] calls the methods from goroutines of its own, and Turned also
// from those that call End.
type Host interface {
	// Latency is what calls take, 0 when that is not known. It is called under a lock, and calls nothing of the watchman's.
	Latency() time.Duration
	// Ask asks for a sign of life until ctx is done, on a way of its own that no call in flight stands in. It gives up
	// connecting after a second.
	Ask(ctx context.Context) Answer
	// Quiet says that nothing was heard for so long that the instance is being asked.
	Quiet()
	// Turned says that Instance.Silent has changed. It may have changed again.
	Turned()
}

// Instance is what is known of one instance's signs of life. It belongs to one [Watchman].
type Instance struct {
	host    Host
	calls   atomic.Int32 // in flight
	heard   atomic.Int64 // the last sign of life while calls are in flight, or when the first of them began
	fresh   atomic.Bool  // a call was sent since it was asked
	excused atomic.Int64 // what calls took that began before tells nothing of the instance; 0 at first
	silent  atomic.Bool  // written under Watchman.mu

	attempts Attempts // those in flight that may be sent again

	// Guarded by Watchman.mu.
	probe *probe        // under way; nil when none is
	asked time.Duration // how long calls that take long are left alone until it is asked
	left  bool
}

// probe is a question for a sign of life that is put until it is answered.
type probe struct {
	end    context.CancelFunc
	sentAt int64 // guarded by Watchman.mu
}

// NewInstance returns an instance about which nothing is known.
func NewInstance(host Host) *Instance { return &Instance{host: host, asked: AskLeast} }

// Silent reports whether the instance gives no sign of life, so that it is to get no call.
func (i *Instance) Silent() bool { return i.silent.Load() }

// Movable lets the watchman take a back, which Stay ends.
func (i *Instance) Movable(a *Attempt) { i.attempts.Add(a) }

// Stay says that a is not to be taken back any more. Attempt.Moved then tells whether it was before.
func (i *Instance) Stay(a *Attempt) { i.attempts.Remove(a) }

// Watchman looks at the instances of one service while calls are in flight on them. One on which nothing arrives is asked
// for a sign of life; when that does not come it is silent until it does, and the attempts that may be made anew are taken
// back as soon as there is another instance. It has one timer, and none while no call is in flight. A silent instance is
// asked once a second for as long as it is a member.
//
// All methods may be called from several goroutines at once, but none of them from a [Host]. Times are nanoseconds of one
// steady clock, above 0.
type Watchman struct {
	clock   func() int64
	looking atomic.Bool    // whether the timer runs
	asking  sync.WaitGroup // goroutines that wait for a sign of life

	mu        sync.Mutex
	closed    bool
	instances map[*Instance]struct{} // members, and those that have left calls behind
	timer     *time.Timer
	nextLook  int64 // when it is due
}

// NewWatchman returns a watchman without instances. Close must be called.
func NewWatchman(clock func() int64) *Watchman {
	return &Watchman{clock: clock, instances: map[*Instance]struct{}{}}
}

// Join makes i a member.
func (w *Watchman) Join(i *Instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.instances[i] = struct{}{}
	}
}

// Leave says that i is no member any more. It is looked after as long as calls are in flight on it.
func (w *Watchman) Leave(i *Instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i.left = true
	if i.calls.Load() == 0 {
		w.drop(i)
	}
}

// drop forgets an instance. w.mu is held.
func (w *Watchman) drop(i *Instance) {
	delete(w.instances, i)
	i.endProbe()
}

// endProbe makes sure that nothing comes of a question that is under way. Watchman.mu is held.
func (i *Instance) endProbe() {
	if i.probe != nil {
		i.probe.end()
		i.probe = nil
	}
}

// Close ends all questions and waits for them. Calls in flight are looked after no more.
func (w *Watchman) Close() {
	w.mu.Lock()
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
	for i := range w.instances {
		w.drop(i)
	}
	w.mu.Unlock()
	w.asking.Wait()
}

// Begin counts a call on i as in flight, which one End must follow. It takes no lock and allocates nothing, but where
// nobody looks yet.
func (w *Watchman) Begin(i *Instance, now int64) {
	if i.calls.Add(1) == 1 {
		i.heard.Store(now)
	}
	if !i.fresh.Load() {
		i.fresh.Store(true)
		w.hurry()
	}
	w.watch()
}

// End counts a call on i, which began at started, as over. heard says that the instance has answered it. It reports whether
// the call has been through a silence: what it took is then no measure of the instance.
func (w *Watchman) End(i *Instance, started, now int64, heard bool) (excused bool) {
	if heard {
		i.heard.Store(now)
		if i.silent.Load() {
			w.take(i, nil, Alive)
		}
	}
	i.calls.Add(-1)
	return started <= i.excused.Load()
}

// watch makes sure that someone looks.
func (w *Watchman) watch() {
	if w.looking.Load() || !w.looking.CompareAndSwap(false, true) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookIn(LookEvery)
}

// hurry makes sure that someone looks soon: a call is sent where there were none but such that take long.
func (w *Watchman) hurry() {
	if !w.looking.Load() {
		return // watch sees to it
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.nextLook-w.clock() > int64(LookEvery) {
		w.lookIn(LookEvery)
	}
}

// lookIn sets the timer. w.mu is held.
func (w *Watchman) lookIn(d time.Duration) {
	w.nextLook = w.clock() + int64(d)
	switch {
	case w.closed:
	case w.timer == nil:
		w.timer = time.AfterFunc(d, w.look)
	default:
		w.timer.Reset(d)
	}
}

// look asks instances that are quiet, draws conclusions about those that were asked, and moves attempts.
func (w *Watchman) look() {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return
	}
	now := w.clock()
	seen := w.lookAtAll(now, now-w.nextLook > int64(LookLate))
	w.looking.Store(seen.busy)
	switch {
	case seen.busy && seen.rest:
		w.lookIn(RestEvery)
	case seen.busy:
		w.lookIn(LookEvery)
	}
	w.mu.Unlock()
	for _, i := range seen.quiet {
		i.host.Quiet()
	}
	for _, i := range seen.silent { // before their attempts are moved, so that these go elsewhere
		i.host.Turned()
	}
	Move(seen.moving)
	if !seen.busy && w.inFlight() { // a call that began while this looked found someone looking
		w.watch()
	}
}

// sight is what a look has found.
type sight struct {
	busy   bool // calls are in flight
	rest   bool // all of them are left alone for now
	quiet  []*Instance
	silent []*Instance // those that have just become so
	moving []*Attempt
}

// lookAtAll looks at each instance. w.mu is held.
func (w *Watchman) lookAtAll(now int64, heldUp bool) sight {
	seen := sight{rest: true}
	elsewhere := false
	for i := range w.instances {
		if i.calls.Load() > 0 {
			w.lookAt(i, now, heldUp, &seen)
			seen.busy = true
			seen.rest = seen.rest && !i.fresh.Load() && i.probe == nil && !i.silent.Load()
		} else if i.left {
			w.drop(i)
			continue
		}
		elsewhere = elsewhere || !i.left && !i.silent.Load()
	}
	if elsewhere {
		for i := range w.instances {
			if i.silent.Load() {
				seen.moving = i.attempts.Take(seen.moving)
			}
		}
	}
	return seen
}

// lookAt looks at an instance on which calls are in flight. w.mu is held.
func (w *Watchman) lookAt(i *Instance, now int64, heldUp bool, seen *sight) {
	heard := i.heard.Load()
	switch p := i.probe; {
	case p == nil:
		if now-heard >= int64(i.patience()) {
			w.ask(i, now)
			seen.quiet = append(seen.quiet, i)
		}
	case i.silent.Load(): // all is said
	case heldUp:
		p.sentAt = now
	case now-max(p.sentAt, heard) >= int64(ProbeTime):
		i.silent.Store(true)
		i.excused.Store(now)
		seen.silent = append(seen.silent, i)
	}
}

// patience is how long the instance may be quiet until it is asked.
func (i *Instance) patience() time.Duration {
	if !i.fresh.Load() {
		return i.asked
	}
	return Patience(i.host.Latency())
}

// inFlight reports whether a call is under way on any instance.
func (w *Watchman) inFlight() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.instances {
		if i.calls.Load() > 0 {
			return true
		}
	}
	return false
}

// ask asks for a sign of life until it comes, or nobody wants to know any more. w.mu is held, and w is open.
func (w *Watchman) ask(i *Instance, now int64) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &probe{end: cancel, sentAt: now}
	i.probe = p
	i.fresh.Store(false)
	w.asking.Go(func() {
		defer cancel()
		for w.askOnce(ctx, i, p) {
		}
	})
}

// askOnce asks once, and reports when it is time to ask again; false means that it never is.
func (w *Watchman) askOnce(ctx context.Context, i *Instance, p *probe) (again bool) {
	pause := time.NewTimer(askAgain)
	defer pause.Stop()
	once, cancel := context.WithTimeout(ctx, answerTime)
	answer := i.host.Ask(once)
	cancel()
	if w.take(i, p, answer) {
		return false
	}
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// take takes the answer to a question, or, where p is nil, to a call, and reports whether that is the end of the question.
func (w *Watchman) take(i *Instance, p *probe, answer Answer) (end bool) {
	w.mu.Lock()
	if p != nil && i.probe != p || w.closed {
		w.mu.Unlock()
		return true // it is moot
	}
	if answer == Nothing && (i.silent.Load() || i.calls.Load() > 0) {
		w.mu.Unlock()
		return false
	}
	if answer != Nothing {
		i.heard.Store(w.clock())
		i.asked = Rarer(i.asked)
	}
	i.endProbe()
	turned := i.silent.CompareAndSwap(true, false)
	w.mu.Unlock()
	if turned {
		i.host.Turned()
	}
	return true
}
