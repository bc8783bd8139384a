package loadbalance

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda/internal/loadbalance/lifesign"
)

// A host that vanishes or freezes says nothing: no connection breaks, and calls wait for their deadline. So while calls are
// in flight on a connection on which nothing arrives, its server is asked for a sign of life. When that does not come
// either, the instance is silent: it gets no call until it answers, and attempts that may be sent again are made anew.
// Package lifesign has the times.

// probe is one question for a sign of life.
type probe struct {
	end    context.CancelFunc
	sentAt int64 // 0 until it is on its way; guarded by policy.mu
}

// watchman looks at the connections while calls are in flight on them.
type watchman struct {
	timer    *time.Timer
	nextLook int64 // when it is due
}

// watch makes sure that someone looks. The picker calls it for each call: it costs one atomic load.
func (b *policy) watch() {
	if b.looking.Load() || !b.looking.CompareAndSwap(false, true) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lookIn(lifesign.LookEvery)
}

// hurry makes sure that someone looks soon: a call is sent on a connection on which there were none but such that take long.
func (b *policy) hurry() {
	if !b.looking.Load() {
		return // watch sees to it
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watchman.nextLook-b.clock() > int64(lifesign.LookEvery) {
		b.lookIn(lifesign.LookEvery)
	}
}

// lookIn sets the timer. b.mu is held.
func (b *policy) lookIn(d time.Duration) {
	b.watchman.nextLook = b.clock() + int64(d)
	switch {
	case b.closed:
	case b.watchman.timer == nil:
		b.watchman.timer = time.AfterFunc(d, b.look)
	default:
		b.watchman.timer.Reset(d)
	}
}

// look asks connections that are quiet, draws conclusions about those that were asked, and moves attempts.
func (b *policy) look() {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return
	}
	now := b.clock()
	busy, rest := b.lookAtAll(now, now-b.watchman.nextLook > int64(lifesign.LookLate))
	var moving []*lifesign.Attempt
	if b.ready > 0 {
		moving = b.collect()
	}
	b.looking.Store(busy)
	switch {
	case busy && rest:
		b.lookIn(lifesign.RestEvery)
	case busy:
		b.lookIn(lifesign.LookEvery)
	}
	b.mu.Unlock()
	lifesign.Move(moving)
	if !busy && b.inFlight() { // a call that began while this looked found someone looking
		b.watch()
	}
}

// lookAtAll reports whether any call is in flight, and whether all of them are left alone for now. b.mu is held.
func (b *policy) lookAtAll(now int64, heldUp bool) (busy, rest bool) {
	rest = true
	at := func(m *member, c *connection) {
		if b.lookAt(m, c, now, heldUp) {
			busy = true
			rest = rest && !c.fresh.Load() && c.probe == nil && !c.silent
		}
	}
	for _, m := range b.members {
		for _, c := range m.connections {
			at(m, c)
		}
	}
	for c, m := range b.retiring {
		at(m, c)
		if c.calls.Load() == 0 {
			b.retire(c)
		}
	}
	return busy, rest
}

// inFlight reports whether a call is under way on any connection.
func (b *policy) inFlight() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.members {
		for _, c := range m.connections {
			if c.calls.Load() > 0 {
				return true
			}
		}
	}
	return false
}

// lookAt reports whether calls are in flight on the connection. b.mu is held.
func (b *policy) lookAt(m *member, c *connection, now int64, heldUp bool) bool {
	if c.calls.Load() == 0 || c.state != connectivity.Ready {
		return c.calls.Load() > 0
	}
	heard := c.heard.Load()
	switch p := c.probe; {
	case p == nil:
		if now-heard >= int64(c.patience(m)) {
			b.ask(m, c)
			b.pool.Avoid(m.endpoint, now)
		}
	case p.sentAt == 0 || c.silent: // it waits for its turn, or all is said
	case heldUp:
		p.sentAt = now
	case now-max(p.sentAt, heard) >= int64(lifesign.ProbeTime):
		b.silence(m, c)
	}
	return true
}

// patience is how long the connection may be quiet until it is asked.
func (c *connection) patience(m *member) time.Duration {
	if !c.fresh.Load() {
		return c.asked
	}
	return lifesign.Patience(m.endpoint.Latency())
}

// silence takes an instance that does not answer out of use: every connection has to give a sign of life before it is used
// again. One that is opened anew may be the first to do so. b.mu is held.
func (b *policy) silence(m *member, c *connection) {
	now := b.clock()
	c.mute(now)
	for _, other := range m.connections {
		switch {
		case other.state == connectivity.Ready && !other.silent:
			other.mute(now)
			if other.probe == nil {
				b.ask(m, other)
			}
		case other.state == connectivity.Idle:
			other.subConn.Connect()
		}
	}
	if m.has(c) {
		m.mute = true
		b.setReady(m, m.refresh())
		b.publish(true)
	}
}

// mute excuses calls that are in flight: they take as long as the silence does, which is not the instance's speed.
func (c *connection) mute(now int64) {
	c.silent = true
	c.excused.Store(now)
}

// collect returns the attempts that wait for an instance that is silent. b.mu is held.
func (b *policy) collect() (moving []*lifesign.Attempt) {
	for _, m := range b.members {
		for _, c := range m.connections {
			if c.silent {
				moving = c.attempts.Take(moving)
			}
		}
	}
	for c := range b.retiring {
		if c.silent {
			moving = c.attempts.Take(moving)
		}
	}
	return moving
}

// asking is how a connection's server is asked for a sign of life: any answer is one, also that it has no such service.
type asking struct{}

// Build implements balancer.ProducerBuilder.
func (asking) Build(channel any) (balancer.Producer, func()) { return channel, func() {} }

// ask asks for a sign of life until it comes, the connection breaks, or the policy closes. b.mu is held.
func (b *policy) ask(m *member, c *connection) {
	producer, release := c.subConn.GetOrBuildProducer(asking{})
	channel, ok := producer.(grpc.ClientConnInterface)
	if !ok {
		release()
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &probe{end: cancel}
	c.probe = p
	c.fresh.Store(false)
	b.probes.Go(func() {
		defer release()
		defer cancel()
		stream, err := channel.NewStream(ctx, &grpc.StreamDesc{}, healthpb.Health_Check_FullMethodName)
		if err == nil {
			// Only now is it on its way: a server may allow no more calls at once than there are.
			b.sent(p)
			if err = stream.SendMsg(new(healthpb.HealthCheckRequest)); err == nil {
				err = stream.RecvMsg(new(healthpb.HealthCheckResponse))
			}
		}
		b.answered(m, c, p, err)
	})
}

func (b *policy) sent(p *probe) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.sentAt = b.clock()
}

// answered takes the end of a probe.
func (b *policy) answered(m *member, c *connection, p *probe, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.probe != p {
		return // the connection has broken meanwhile
	}
	c.probe = nil
	switch status.Code(err) {
	case codes.Unavailable, codes.Canceled:
		return // the connection breaks, or is asked no more
	default:
	}
	c.heard.Store(b.clock())
	c.asked = lifesign.Rarer(c.asked)
	if !c.silent {
		return
	}
	c.silent = false
	if b.closed || !m.has(c) {
		return
	}
	b.setReady(m, m.refresh())
	b.publish(false)
}

// forget ends what is known of the silence of a connection whose state has changed. b.mu is held.
func (c *connection) forget() {
	if c.probe != nil {
		c.probe.end()
		c.probe = nil
	}
	c.silent = false
	c.asked = lifesign.AskLeast
}

// retire lets go of a connection of an instance that is gone. b.mu is held.
func (b *policy) retire(c *connection) {
	delete(b.retiring, c)
	c.forget()
	c.subConn.Shutdown()
}
