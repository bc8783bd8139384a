package loadbalance_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda/internal/loadbalance"
)

func wait(t testing.TB, c *client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.availability.Wait(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestCrashUnderLoad(t *testing.T) {
	a, b, victim := start(t, "a"), start(t, "b"), start(t, "victim")
	c := dial(t, nil, a, b, victim)
	wait(t, c)
	warm(t, c, a, b, victim)
	reads := begin(t, c, read, 16, nil)
	// An Add in flight when the server dies may fail; one begun after the client knows may not.
	adds := begin(t, c, add, 16, func() bool { return c.availability.Refusal(victim.instance) != "" })
	reads.more(t, 500)
	victim.kill()
	eventually(t, "the client knows", func() bool { return strings.Contains(c.availability.Refusal(victim.instance), "refused") })
	reads.more(t, 500)
	adds.more(t, 500)
	reads.end(t, "an idempotent call failed")
	adds.end(t, "a call begun after the crash failed")
}

func TestGracefulStopUnderLoad(t *testing.T) {
	a, b, leaving := start(t, "a"), start(t, "b"), start(t, "leaving")
	c := dial(t, nil, a, b, leaving)
	warm(t, c, a, b, leaving)
	adds := begin(t, c, add, 32, nil)
	adds.more(t, 500)
	leaving.grpc.GracefulStop()
	adds.more(t, 1000)
	adds.end(t, "a call failed while one instance stopped in order")
}

func TestRemovedInstanceFinishesItsCalls(t *testing.T) {
	a, leaving := start(t, "a"), start(t, "leaving")
	c := dial(t, nil, a, leaving)
	warm(t, c, a, leaving)
	held := make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	defer release()
	leaving.answers(func(ctx context.Context) error {
		select {
		case <-held:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	before := leaving.served.Load()
	old := begin(t, c, add, 8, nil)
	eventually(t, "a call is in flight", func() bool { return leaving.served.Load() > before })
	c.update(a)
	fresh := begin(t, c, add, 8, nil)
	fresh.more(t, 500)
	release()
	old.more(t, 500)
	old.end(t, "a call failed because its instance was removed")
	fresh.end(t, "a call failed after an instance was removed")
	if got := leaving.served.Load() - before; got > 8 {
		t.Errorf("the removed instance got %d calls, want those of 8 callers at most", got)
	}
}

func TestInstanceThatRefusesIsEjectedAndProbed(t *testing.T) {
	a, b, bad := start(t, "a"), start(t, "b"), start(t, "bad")
	bad.answers(func(context.Context) error { return status.Error(codes.Unavailable, "warming up") })
	c := dial(t, func(c *loadbalance.Config) {
		c.EjectionBase = loadbalance.Duration(50 * time.Millisecond)
		c.SlowStart = 0
	}, a, b, bad)
	reads := begin(t, c, read, 8, nil)
	eventually(t, "it is ejected", func() bool {
		return strings.Contains(c.availability.Refusal(bad.instance), " consecutive UNAVAILABLE, ")
	})
	probes := bad.served.Load()
	eventually(t, "it has been probed", func() bool { return bad.served.Load() > probes+1 })
	bad.answers(func(context.Context) error { return nil })
	eventually(t, "it is back", func() bool { return c.availability.Refusal(bad.instance) == "" })
	served := bad.served.Load()
	eventually(t, "it is used", func() bool { return bad.served.Load() > served+100 })
	reads.end(t, "an idempotent call failed")
}

func TestSlowOneOfThree(t *testing.T) {
	a, b, slow := start(t, "a"), start(t, "b"), start(t, "slow")
	slow.answers(after(300 * time.Millisecond))
	c := dial(t, nil, a, b, slow)
	warm(t, c, a, b, slow)
	reads := begin(t, c, read, 16, nil)
	before := slow.served.Load()
	reads.more(t, 5000)
	reads.end(t, "a call failed")
	if got, all := slow.served.Load()-before, reads.calls.Load(); got*20 > all {
		t.Errorf("the slow instance got %d of %d calls", got, all)
	}
}

func TestEmptySetLetsCallsWait(t *testing.T) {
	a := start(t, "a")
	c := dial(t, nil)
	result := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	go func() { _, err := c.call(ctx, add); result <- err }()
	if c.availability.Ready() {
		t.Error("ready without an instance")
	}
	c.update(a)
	if err := <-result; err != nil {
		t.Errorf("a call that waited for the first instance: %v", err)
	}
	c.update()
	eventually(t, "it is not ready any more", func() bool { return !c.availability.Ready() })
	short, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer stop()
	if _, err := c.call(short, add); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a call without an instance: got %v, want it to wait for its deadline", err)
	}
	if err := c.availability.Wait(short); err == nil {
		t.Error("Wait returned nil without an instance")
	}
}

func TestUnavailableNamesInstances(t *testing.T) {
	gone := start(t, "gone")
	gone.kill()
	c := dial(t, func(c *loadbalance.Config) { c.UnavailableAfter = loadbalance.Duration(200 * time.Millisecond) }, gone)
	_, err := c.call(context.Background(), add)
	want := "none of 1 instance is connected for 200ms; gone (" + gone.instance.Endpoint() + "): connection refused"
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want UNAVAILABLE with %q", err, want)
	}
	if got := c.availability.Refusal(gone.instance); got != "connection refused" {
		t.Errorf("refusal is %q, want connection refused", got)
	}
	back := startAt(t, "gone", gone.instance.Endpoint())
	eventually(t, "calls work again", func() bool { _, err := c.call(context.Background(), add); return err == nil })
	if back.served.Load() == 0 || !c.availability.Ready() || c.availability.Refusal(back.instance) != "" {
		t.Error("recovered, but not everyone knows")
	}
}

func TestEqualUpdateDoesNothing(t *testing.T) {
	a, b := start(t, "a"), start(t, "b")
	c := dial(t, nil, a, b)
	warm(t, c, a, b)
	reads := begin(t, c, read, 4, nil)
	for range 50 {
		c.update(a, b)
		c.update(b, a) // another order is another update, but the same instances
	}
	reads.more(t, 100)
	reads.end(t, "a call failed")
	if a.connections() != 1 || b.connections() != 1 {
		t.Errorf("%d and %d connections were made, want 1 each", a.connections(), b.connections())
	}
}

func TestNearInstancesArePreferred(t *testing.T) {
	near, far := start(t, "near"), start(t, "far")
	far.instance.Distance = 1
	c := dial(t, nil, near, far)
	warm(t, c, near)
	eventually(t, "far is connected", func() bool { return far.connections() > 0 })
	reads := begin(t, c, read, 4, nil)
	reads.more(t, 50)
	before := far.served.Load()
	reads.more(t, 200)
	if got := far.served.Load(); got != before {
		t.Errorf("%d calls went far while a near instance was ready", got-before)
	}
	near.kill()
	eventually(t, "calls go far", func() bool { return far.served.Load() > before+100 })
	reads.end(t, "an idempotent call failed")
}

func TestFurtherConnectionsOpenUnderLoad(t *testing.T) {
	a := start(t, "a")
	c := dial(t, func(c *loadbalance.Config) { c.ConnectionsPerInstance = 3 }, a)
	for range 20 {
		if _, err := c.call(context.Background(), read); err != nil {
			t.Fatal(err)
		}
	}
	if n := a.connections(); n != 1 {
		t.Errorf("%d connections without load, want 1", n)
	}
	a.answers(after(time.Millisecond))
	reads := begin(t, c, read, 40, nil)
	eventually(t, "all three are open", func() bool { return a.connections() == 3 })
	reads.more(t, 200)
	reads.end(t, "a call failed")
}

func TestStreamsAreSpread(t *testing.T) {
	a, b := start(t, "a"), start(t, "b")
	c := dial(t, nil, a, b)
	warm(t, c, a, b)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 20 {
		s, err := c.NewStream(ctx, &storeDesc.Streams[0], watch)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all streams run", func() bool { return a.streams.Load()+b.streams.Load() == 20 })
	if got := a.streams.Load(); got < 6 || got > 14 {
		t.Errorf("%d of 20 streams are on one of two instances", got)
	}
	cancel()
	eventually(t, "all streams have ended", func() bool { return a.streams.Load()+b.streams.Load() == 0 })
}
