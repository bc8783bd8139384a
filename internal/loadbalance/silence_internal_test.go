package loadbalance

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
)

// server is what a fake connection leads to: it answers questions after delay, and never when that is negative.
type server struct {
	grpc.ClientConnInterface
	delay time.Duration
	asked atomic.Int32
}

func (s *server) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	s.asked.Add(1)
	return &question{ctx: ctx, delay: s.delay}, nil
}

type question struct {
	grpc.ClientStream
	ctx   context.Context
	delay time.Duration
}

func (q *question) SendMsg(any) error { return nil }

func (q *question) RecvMsg(any) error {
	var answer <-chan time.Time
	if q.delay >= 0 {
		answer = time.After(q.delay)
	}
	select {
	case <-answer:
		return status.Error(codes.Unimplemented, "no such service")
	case <-q.ctx.Done():
		return status.FromContextError(q.ctx.Err()).Err()
	}
}

func (s *subConn) GetOrBuildProducer(b balancer.ProducerBuilder) (balancer.Producer, func()) {
	return b.Build(s.server)
}

// pick sends a call, and returns its end.
func pick(ctx context.Context, t *testing.T, c *channel) balancer.PickResult {
	t.Helper()
	result, err := c.last().Picker.Pick(balancer.PickInfo{Ctx: ctx})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestSilenceTakesLessThanASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b, a := build(t)
		defer b.Close()
		list := instances(1, 0)
		tell(t, b, a, list, nil)
		mute := &server{delay: -1}
		c.subConns[0].server = mute
		c.subConns[0].becomes(connectivity.Ready)
		begun := time.Now()
		attempt := NewAttempt(t.Context())
		defer attempt.End()
		call := pick(attempt, t, c)
		pass(190 * time.Millisecond)
		if mute.asked.Load() != 0 {
			t.Fatal("asked before it could be late")
		}
		pass(500 * time.Millisecond)
		if !a.Ready() {
			t.Error("given up before it could answer")
		}
		pass(120 * time.Millisecond)
		if a.Ready() || a.Refusal(list[0]) != "it answers nothing" {
			t.Errorf("after %v ready is %t, refused because %q", time.Since(begun), a.Ready(), a.Refusal(list[0]))
		}
		if attempt.Moved() {
			t.Error("a call was taken back with nowhere to go")
		}
		tell(t, b, a, instances(2, 0), nil)
		for _, s := range c.subConns[1:] {
			s.server = &server{}
			if s.address != c.subConns[0].address {
				s.becomes(connectivity.Ready)
			}
		}
		pass(100 * time.Millisecond)
		if !attempt.Moved() {
			t.Error("the call was not taken back when there was another instance")
		}
		call.Done(balancer.DoneInfo{Err: status.Error(codes.Canceled, "moved")})
		if mute.asked.Load() != 1 {
			t.Errorf("asked %d times, want once until an answer comes", mute.asked.Load())
		}
	})
}

func TestSlowCallsAreAskedAboutMoreAndMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b, a := build(t)
		defer b.Close()
		tell(t, b, a, instances(1, 0), nil)
		slow := &server{delay: time.Millisecond}
		c.subConns[0].server = slow
		c.subConns[0].becomes(connectivity.Ready)
		begun := time.Now()
		call := pick(t.Context(), t, c)
		pass(time.Minute)
		if n := slow.asked.Load(); n < 8 || n > 14 {
			t.Errorf("asked %d times in a minute, want about every 8 s in the end", n)
		}
		if !a.Ready() {
			t.Error("an instance that answers is not ready")
		}
		before := slow.asked.Load()
		second := pick(t.Context(), t, c) // a new call is cared for like the first
		pass(300 * time.Millisecond)
		if slow.asked.Load() != before+1 {
			t.Errorf("asked %d times within 300 ms of a new call, want once", slow.asked.Load()-before)
		}
		for _, r := range []balancer.PickResult{call, second} {
			r.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
		}
		pass(2 * time.Second)
		before = slow.asked.Load()
		pass(time.Hour)
		if slow.asked.Load() != before || b.looking.Load() {
			t.Errorf("asked %d times, looking %t, with no call in flight since %v", slow.asked.Load()-before, b.looking.Load(), begun)
		}
	})
}

// A process that was held up itself has not given the others the time to answer.
func TestHeldUpProcessBlamesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b, a := build(t)
		defer b.Close()
		tell(t, b, a, instances(1, 0), nil)
		mute := &server{delay: -1}
		c.subConns[0].server = mute
		c.subConns[0].becomes(connectivity.Ready)
		call := pick(t.Context(), t, c)
		pass(300 * time.Millisecond)
		b.watchman.timer.Stop() // the looks that are due have to wait, as all of a frozen process does
		pass(3 * time.Second)
		b.look()
		pass(60 * time.Millisecond)
		if !a.Ready() {
			t.Error("the instance is blamed")
		}
		pass(time.Second)
		if a.Ready() {
			t.Error("the instance had its time, and is not blamed")
		}
		call.Done(balancer.DoneInfo{Err: status.Error(codes.Canceled, "given up")})
	})
}
