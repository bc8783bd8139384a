package lifesign_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/loadbalance/lifesign"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host answers questions after delay, and never when that is negative.
type host struct {
	delay   atomic.Int64
	answer  atomic.Int32 // a lifesign.Answer
	latency time.Duration
	asked   atomic.Int32
	quiet   atomic.Int32
	turned  atomic.Int32
}

func (h *host) Latency() time.Duration { return h.latency }
func (h *host) Quiet()                 { h.quiet.Add(1) }
func (h *host) Turned()                { h.turned.Add(1) }

func (h *host) Ask(ctx context.Context) lifesign.Answer {
	h.asked.Add(1)
	var answer <-chan time.Time
	if delay := h.delay.Load(); delay >= 0 {
		answer = time.After(time.Duration(delay))
	}
	select {
	case <-answer:
		return lifesign.Answer(h.answer.Load())
	case <-ctx.Done():
		return lifesign.Nothing
	}
}

func newHost(delay time.Duration) *host {
	h := new(host)
	h.says(lifesign.Alive)
	h.delay.Store(int64(delay))
	return h
}

func (h *host) says(answer lifesign.Answer) { h.answer.Store(int32(answer)) }

// watched is a watchman with its clock.
type watched struct {
	*lifesign.Watchman
	clock func() int64
}

func watch() watched {
	base := time.Now().Add(-time.Hour)
	clock := func() int64 { return int64(time.Since(base)) }
	return watched{lifesign.NewWatchman(clock), clock}
}

func (w watched) joined(h *host) *lifesign.Instance {
	i := lifesign.NewInstance(h)
	w.Join(i)
	return i
}

// call begins a call, and returns its end.
func (w watched) call(i *lifesign.Instance) (end func(heard bool) (excused bool)) {
	started := w.clock()
	w.Begin(i, started)
	return func(heard bool) bool { return w.End(i, started, w.clock(), heard) }
}

// pass lets time pass, and what is due then happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func attempt(t *testing.T, i *lifesign.Instance) (*lifesign.Attempt, context.Context) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	a := &lifesign.Attempt{Cancel: cancel}
	i.Movable(a)
	return a, ctx
}

func TestSilenceTakesLessThanASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, mute := watch(), newHost(-1)
		defer w.Close()
		i := w.joined(mute)
		end := w.call(i)
		a, ctx := attempt(t, i)
		pass(190 * time.Millisecond)
		if mute.asked.Load() != 0 {
			t.Fatal("asked before it could be late")
		}
		pass(500 * time.Millisecond)
		if i.Silent() || mute.quiet.Load() != 1 {
			t.Errorf("silent %t before it could answer, told %d times that it is quiet", i.Silent(), mute.quiet.Load())
		}
		pass(110 * time.Millisecond)
		if !i.Silent() || mute.turned.Load() != 1 {
			t.Errorf("silent %t after 800 ms, told %d times", i.Silent(), mute.turned.Load())
		}
		pass(time.Second)
		if a.Moved() {
			t.Error("an attempt was taken back with nowhere to go")
		}
		stays, staysCtx := attempt(t, i)
		i.Stay(stays)
		w.joined(newHost(0))
		pass(100 * time.Millisecond)
		if !a.Moved() || ctx.Err() == nil || stays.Moved() || staysCtx.Err() != nil {
			t.Errorf("with another instance, moved %t, one that is to stay %t", a.Moved(), stays.Moved())
		}
		if !end(false) {
			t.Error("a call that has been through a silence is a measure of the instance")
		}
		if end := w.call(i); end(true) {
			t.Error("a later one is not")
		}
	})
}

// A host that stands still answers nothing, one that is back answers the next question.
func TestSilentInstancesAreAskedUntilTheyAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := watch(), newHost(-1)
		defer w.Close()
		i := w.joined(h)
		end := w.call(i)
		pass(time.Second)
		end(false)
		if !i.Silent() {
			t.Fatal("not silent")
		}
		pass(time.Minute)
		if n := h.asked.Load(); n < 10 || n > 20 {
			t.Errorf("asked %d times in a minute, want on a new connection every 4 s", n)
		}
		h.says(lifesign.Nothing)
		h.delay.Store(0)
		pass(4 * time.Second)
		before := h.asked.Load()
		pass(time.Minute)
		if n := h.asked.Load() - before; n < 59 || n > 61 {
			t.Errorf("asked %d times in a minute, want once a second while it cannot be reached", n)
		}
		h.says(lifesign.Alive)
		pass(time.Second)
		if i.Silent() || h.turned.Load() != 2 {
			t.Errorf("silent %t after an answer, told %d times", i.Silent(), h.turned.Load())
		}
		before = h.asked.Load()
		pass(time.Hour)
		if n := h.asked.Load() - before; n != 0 {
			t.Errorf("asked %d times with no call in flight", n)
		}
	})
}

func TestWhatEndsASilence(t *testing.T) {
	for name, answer := range map[string]func(h *host, end func(bool) bool){
		"an answer to a call": func(_ *host, end func(bool) bool) { end(true) },
		"a host that refuses": func(h *host, _ func(bool) bool) {
			h.says(lifesign.Refused)
			h.delay.Store(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := watch(), newHost(-1)
				defer w.Close()
				i := w.joined(h)
				end := w.call(i)
				pass(time.Second)
				if !i.Silent() {
					t.Fatal("not silent")
				}
				answer(h, end)
				pass(4 * time.Second)
				if i.Silent() || h.turned.Load() != 2 {
					t.Errorf("silent %t, told %d times", i.Silent(), h.turned.Load())
				}
			})
		})
	}
}

func TestSlowCallsAreAskedAboutMoreAndMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, slow := watch(), newHost(time.Millisecond)
		defer w.Close()
		i := w.joined(slow)
		first := w.call(i)
		pass(time.Minute)
		if n := slow.asked.Load(); n < 8 || n > 14 || i.Silent() {
			t.Errorf("asked %d times in a minute, want about every 8 s in the end; silent %t", n, i.Silent())
		}
		before := slow.asked.Load()
		second := w.call(i) // a new call is cared for like the first
		pass(300 * time.Millisecond)
		if n := slow.asked.Load() - before; n != 1 {
			t.Errorf("asked %d times within 300 ms of a new call, want once", n)
		}
		first(true)
		second(true)
		pass(2 * time.Second)
		before = slow.asked.Load()
		pass(time.Hour)
		if n := slow.asked.Load() - before; n != 0 {
			t.Errorf("asked %d times with no call in flight", n)
		}
	})
}

// Calls that are answered are sign enough.
func TestBusyInstancesAreNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := watch(), newHost(-1)
		defer w.Close()
		h.latency = 100 * time.Millisecond
		i := w.joined(h)
		long := w.call(i)
		for range 100 {
			end := w.call(i)
			pass(100 * time.Millisecond)
			end(true)
		}
		long(true)
		if h.asked.Load() != 0 || i.Silent() {
			t.Errorf("asked %d times, silent %t", h.asked.Load(), i.Silent())
		}
	})
}

func TestInstancesThatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := watch(), newHost(-1)
		defer w.Close()
		i := w.joined(h)
		w.joined(newHost(0))
		end := w.call(i)
		a, _ := attempt(t, i)
		w.Leave(i)
		pass(time.Second)
		if !a.Moved() {
			t.Error("an attempt is not taken back from an instance that left before it was silent")
		}
		end(false)
		pass(time.Second)
		before := h.asked.Load()
		pass(time.Minute)
		if n := h.asked.Load() - before; n != 0 {
			t.Errorf("asked %d times after its last call", n)
		}
	})
}

func TestCloseEndsQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := watch(), newHost(-1)
		i := w.joined(h)
		end := w.call(i)
		pass(300 * time.Millisecond)
		if h.asked.Load() != 1 {
			t.Fatal("not asked")
		}
		closed := time.Now()
		w.Close()
		if took := time.Since(closed); took != 0 {
			t.Errorf("close waited for %v", took)
		}
		pass(time.Minute)
		end(false)
		end = w.call(i) // calls may still be under way
		pass(time.Minute)
		end(true)
		if h.asked.Load() != 1 || i.Silent() || h.turned.Load() != 0 {
			t.Errorf("asked %d times, silent %t, told %d times", h.asked.Load(), i.Silent(), h.turned.Load())
		}
	})
}
