package panda

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/backoff"
	"github.com/pandakit/panda/internal/loadbalance/lifesign"
	"github.com/pandakit/panda/internal/loadbalance/p2c"
)

// group follows one service and picks an instance for each call, for the protocols whose connections
// are not gRPC's. It watches from the first pick until close. An instance that answers nothing any more while calls are in
// flight on it is left out until it does.
type group struct {
	target   *target
	wait     time.Duration
	refuses  func(discovery.Instance) string            // why an instance is not one that was asked for, or ""
	question func(discovery.Instance) lifesign.Question // how an instance is asked for a sign of life
	removed  func(*p2c.Endpoint)                        // told of each endpoint that has left; may be nil
	silenced func(*p2c.Endpoint)                        // told of each endpoint that answers nothing any more; may be nil
	pool     *p2c.Pool
	watchman *lifesign.Watchman
	epoch    time.Time

	mu        sync.Mutex
	stop      context.CancelFunc // of the watch; nil before the first call
	closed    bool
	endpoints map[endpointKey]*p2c.Endpoint
	changed   chan struct{} // closed at the next change of endpoints
}

// endpointKey tells whether an instance is the process that it was: a new one may take over an ID at another address.
type endpointKey struct{ id, address string }

// groupEndpoint is the value of a p2c endpoint of a group.
type groupEndpoint struct {
	group    *group
	pooled   *p2c.Endpoint
	life     *lifesign.Instance
	instance discovery.Instance

	mu      sync.Mutex
	failure string // why it could not be reached last; "" once it was
	left    bool
}

func newGroup(service string, config *clientConfig, question func(discovery.Instance) lifesign.Question) (*group, error) {
	g := &group{
		wait:      config.wait,
		refuses:   func(discovery.Instance) string { return "" },
		question:  question,
		pool:      p2c.NewPool(p2c.Default()),
		epoch:     time.Now().Add(-time.Nanosecond), // the pool wants times above 0
		endpoints: map[endpointKey]*p2c.Endpoint{},
		changed:   make(chan struct{}),
	}
	g.watchman = lifesign.NewWatchman(g.now)
	var err error
	g.target, err = newTarget(service, config, g)
	return g, err
}

func (g *group) now() int64 { return int64(time.Since(g.epoch)) }

// Ready implements seen.
func (g *group) Ready() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.endpoints {
		if !endpointOf(e).life.Silent() {
			return true
		}
	}
	return false
}

// Refusal implements seen.
func (g *group) Refusal(i discovery.Instance) string {
	if why := g.refuses(i); why != "" {
		return why
	}
	g.mu.Lock()
	e := g.endpoints[keyOf(i)]
	g.mu.Unlock()
	if e == nil {
		return ""
	}
	if endpointOf(e).life.Silent() {
		return errSilent.Error()
	}
	return endpointOf(e).lastFailure()
}

func keyOf(i discovery.Instance) endpointKey { return endpointKey{i.ID, i.Endpoint()} }

func endpointOf(e *p2c.Endpoint) *groupEndpoint {
	return e.Value.(*groupEndpoint) //nolint:forcetypeassert // newEndpoint makes no other
}

func (g *group) newEndpoint(i discovery.Instance) *p2c.Endpoint {
	e := &groupEndpoint{group: g, instance: i}
	e.pooled = p2c.NewEndpoint(e)
	e.life = lifesign.NewInstance(e)
	return e.pooled
}

func (e *groupEndpoint) lastFailure() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failure
}

func (e *groupEndpoint) setFailure(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failure = text
}

// hasLeft reports whether the instance is no longer in the set. An attempt may have picked it before.
func (e *groupEndpoint) hasLeft() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.left
}

func (e *groupEndpoint) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.left = true
}

// errGroupClosed is the error of calls on a group that is closed, also of those that wait.
var errGroupClosed = errors.New("the client is closed")

// watch starts to follow the service, if nobody has yet.
func (g *group) watch() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stop != nil || g.closed {
		return
	}
	var ctx context.Context
	ctx, g.stop = context.WithCancel(context.Background())
	g.target.watching.Go(func() { g.target.watch(ctx, g.replace) })
}

// close ends the watch, and the questions for signs of life, and waits for them. Attempts under way go on; calls that wait
// fail.
func (g *group) close() {
	g.mu.Lock()
	stop := g.stop
	g.closed = true
	g.mu.Unlock()
	if stop != nil {
		stop()
		g.target.watching.Wait()
	}
	g.replace(nil)
	g.watchman.Close()
}

func (g *group) replace(instances []discovery.Instance) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, before := g.now(), g.endpoints
	g.endpoints = make(map[endpointKey]*p2c.Endpoint, len(instances))
	var members []p2c.Member
	for _, i := range instances {
		if g.refuses(i) != "" {
			continue
		}
		key := keyOf(i)
		e := before[key]
		if e == nil {
			e = g.newEndpoint(i)
			g.watchman.Join(endpointOf(e).life)
		}
		delete(before, key)
		g.endpoints[key] = e
		members = append(members, p2c.Member{Endpoint: e, Weight: i.Weight, Distance: i.Distance})
	}
	g.pool.Replace(members, now)
	for _, e := range g.endpoints {
		g.pool.SetReady(e, !endpointOf(e).life.Silent(), now)
	}
	for _, e := range before {
		g.pool.SetReady(e, false, now)
		endpointOf(e).leave()
		g.watchman.Leave(endpointOf(e).life)
		if g.removed != nil {
			g.removed(e)
		}
	}
	g.change()
}

// change makes calls that wait look anew. g.mu is held.
func (g *group) change() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// attempt is one try of a call on one endpoint.
type attempt struct {
	group    *group
	endpoint *p2c.Endpoint
	started  int64
	taking   lifesign.Attempt // see movable
}

// succeeded ends an attempt that was answered, be it with an error of the application.
func (a *attempt) succeeded() {
	endpointOf(a.endpoint).setFailure("")
	a.done(p2c.Succeeded, true)
}

// unfit ends an attempt to which the instance answered that it cannot serve.
func (a *attempt) unfit(why string) {
	endpointOf(a.endpoint).setFailure(why)
	a.done(p2c.Failed, true)
}

// failed ends an attempt whose connection could not be made, or broke.
func (a *attempt) failed(err error) {
	endpointOf(a.endpoint).setFailure(err.Error())
	a.done(p2c.Failed, false)
}

// abandoned ends an attempt that tells nothing of the endpoint.
func (a *attempt) abandoned() { a.done(p2c.Ignored, false) }

// givenUp ends an attempt whose ctx has ended before an answer came. A deadline that ran out tells that the endpoint is
// slow, or hangs; a caller who has changed his mind tells nothing.
func (a *attempt) givenUp(ctx context.Context) {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		a.done(p2c.Late, false)
		return
	}
	a.abandoned()
}

// done ends the attempt. heard says that the instance has given a sign of life. A silence is not the instance's pace.
func (a *attempt) done(outcome p2c.Outcome, heard bool) {
	now := a.group.now()
	if a.group.watchman.End(endpointOf(a.endpoint).life, a.started, now, heard) && outcome != p2c.Failed {
		outcome = p2c.Ignored
	}
	a.group.pool.Done(a.endpoint, p2c.Call, a.started, now, outcome)
}

// address is where the attempt goes.
func (a *attempt) address() string { return endpointOf(a.endpoint).instance.Endpoint() }

// instance is what the attempt goes to.
func (a *attempt) instance() discovery.Instance { return endpointOf(a.endpoint).instance }

// call runs try on one instance after the other until it is done with. try says whether the call may be
// tried again; it is, after a backoff once every instance has refused, until ctx ends, and at once where the attempt was taken
// back from an instance that answers nothing. While there is no instance call waits for one.
func (g *group) call(ctx context.Context, try func(context.Context, *attempt) (again bool, err error)) error {
	g.watch() //nolint:contextcheck // it outlives the call
	began, refused := time.Now(), 0
	for {
		a, size, changed, err := g.pick()
		if err != nil {
			return err
		}
		if a == nil {
			if !g.sleep(ctx, began, changed, nil) {
				return g.target.unavailable(ctx)
			}
			continue
		}
		var again bool
		if again, err = try(ctx, a); err == nil || !again {
			return err
		}
		if a.taking.Moved() {
			continue
		}
		refused++
		if refused%size != 0 {
			continue
		}
		timer := time.NewTimer(backoff.Default().Delay(refused/size - 1))
		ok := g.sleep(ctx, began, changed, timer.C)
		timer.Stop()
		if !ok {
			return fmt.Errorf("%w; last: %w", g.target.unavailable(ctx), err)
		}
	}
}

// sleep returns true when one of the channels says so, false when ctx is done, or a call that began then has waited for
// long enough.
func (g *group) sleep(ctx context.Context, began time.Time, changed <-chan struct{}, timer <-chan time.Time) bool {
	waiting, cancel := g.target.waiting(ctx, g.wait-time.Since(began))
	defer cancel()
	select {
	case <-changed:
	case <-timer:
	case <-waiting.Done():
		return false
	}
	return true
}

// pick returns an attempt, nil when there is no endpoint, the number of endpoints, and a channel that is
// closed when they change.
func (g *group) pick() (a *attempt, size int, changed <-chan struct{}, err error) {
	g.mu.Lock()
	size, changed = len(g.endpoints), g.changed
	closed := g.closed
	g.mu.Unlock()
	if closed {
		return nil, 0, nil, errGroupClosed
	}
	now := g.now()
	e := g.pool.Pick(now, p2c.Call)
	if e == nil {
		return nil, size, changed, nil
	}
	g.watchman.Begin(endpointOf(e).life, now)
	return &attempt{group: g, endpoint: e, started: now}, max(size, 1), changed, nil
}
