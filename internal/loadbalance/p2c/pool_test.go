package p2c_test

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/loadbalance/p2c"
)

const second = int64(time.Second)

// fixed is a pool of n ready endpoints with a repeatable random source. Its now starts at an hour.
type fixed struct {
	*p2c.Pool
	members []p2c.Member
	now     int64
}

func newFixed(n int, change func(*p2c.Config)) *fixed {
	config := p2c.Default()
	config.Random = rand.New(rand.NewPCG(3, 4)).Uint64
	if change != nil {
		change(&config)
	}
	f := &fixed{Pool: p2c.NewPool(config), now: 3600 * second}
	for i := range n {
		f.members = append(f.members, p2c.Member{Endpoint: p2c.NewEndpoint(i), Weight: 1})
	}
	f.Replace(f.members, f.now)
	for _, m := range f.members {
		f.SetReady(m.Endpoint, true, f.now)
	}
	return f
}

func (f *fixed) endpoint(i int) *p2c.Endpoint { return f.members[i].Endpoint }

// pick makes one call of a millisecond and returns the index of the endpoint that got it, -1 for none.
func (f *fixed) pick(outcome func(i int) p2c.Outcome) int {
	started := f.now
	e := f.Pick(started, p2c.Call)
	if e == nil {
		return -1
	}
	f.now += int64(time.Millisecond)
	f.Done(e, p2c.Call, started, f.now, outcome(e.Value.(int)))
	return e.Value.(int)
}

func fine(int) p2c.Outcome { return p2c.Succeeded }

// failing returns outcomes that are failures for the given endpoints.
func failing(bad ...int) func(int) p2c.Outcome {
	return func(i int) p2c.Outcome {
		if slices.Contains(bad, i) {
			return p2c.Failed
		}
		return p2c.Succeeded
	}
}

func (f *fixed) counts(n int, outcome func(int) p2c.Outcome) []int {
	counts := make([]int, len(f.members))
	for range n {
		if i := f.pick(outcome); i >= 0 {
			counts[i]++
		}
	}
	return counts
}

// fail calls until endpoint i, which fails, is ejected.
func (f *fixed) fail(t *testing.T, i int) {
	t.Helper()
	for range 20_000 {
		if f.pick(failing(i)); len(f.ejected()) > 0 {
			return
		}
	}
	t.Fatalf("endpoint %d was not ejected in 20 s", i)
}

func (f *fixed) ejected() (list []int) {
	for i, m := range f.members {
		if _, ejected := f.Ejected(m.Endpoint); ejected {
			list = append(list, i)
		}
	}
	return list
}

func TestPickWithoutReadyEndpoint(t *testing.T) {
	f := newFixed(2, nil)
	f.SetReady(f.endpoint(0), false, f.now)
	for range 20 {
		if got := f.pick(fine); got != 1 {
			t.Fatalf("picked %d, want the only one that is ready", got)
		}
	}
	f.SetReady(f.endpoint(1), false, f.now)
	if got := f.pick(fine); got != -1 {
		t.Errorf("picked %d while none is ready", got)
	}
}

func TestRetryGoesElsewhere(t *testing.T) {
	for _, outcome := range []p2c.Outcome{p2c.Failed, p2c.Avoided} {
		for n := 2; n <= 5; n++ {
			f := newFixed(n, nil)
			for range 100 {
				first := f.pick(func(int) p2c.Outcome { return outcome })
				if again := f.pick(fine); again == first {
					t.Fatalf("of %d endpoints, %d was picked right after a call failed on it", n, first)
				}
				f.now += 2 * second
				f.counts(20, fine)
			}
		}
	}
}

func TestHalfCanBeEjectedAtMost(t *testing.T) {
	for n, want := range map[int]int{1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 10: 5} {
		f := newFixed(n, func(c *p2c.Config) { c.EjectionBase, c.EjectionMax = time.Hour, time.Hour })
		most := 0
		for range 500 {
			if f.pick(func(int) p2c.Outcome { return p2c.Failed }) < 0 {
				t.Fatalf("no endpoint of %d was left", n)
			}
			most = max(most, len(f.ejected()))
		}
		if most != want {
			t.Errorf("%d of %d were ejected, want %d", most, n, want)
		}
	}
}

func TestAllEjectedAreUsed(t *testing.T) {
	f := newFixed(3, func(c *p2c.Config) { c.EjectionBase, c.EjectionMax = time.Hour, time.Hour })
	f.fail(t, 0)
	if got := f.ejected(); len(got) != 1 || got[0] != 0 {
		t.Fatalf("ejected %v, want endpoint 0", got)
	}
	f.SetReady(f.endpoint(1), false, f.now)
	f.SetReady(f.endpoint(2), false, f.now)
	if got := f.pick(failing(0)); got != 0 {
		t.Fatalf("picked %d, want the only one that is connected", got)
	}
	if f.pick(fine); len(f.ejected()) != 0 {
		t.Error("a success did not end the ejection")
	}
}

func TestOneProbeAtATime(t *testing.T) {
	f := newFixed(3, nil)
	f.fail(t, 2)
	f.now += 2 * second
	f.Pick(f.now, p2c.Call) // the probe, or another
	probes := 0
	for range 200 {
		if f.Pick(f.now, p2c.Call).Value.(int) == 2 {
			probes++
		}
	}
	if total := f.endpoint(2).InFlight(p2c.Call); total != 1 {
		t.Errorf("%d probes at once, want 1", total)
	}
	f.Done(f.endpoint(2), p2c.Call, f.now, f.now+1000, p2c.Ignored)
	for range 5 {
		f.Pick(f.now+1000, p2c.Call)
	}
	if total := f.endpoint(2).InFlight(p2c.Call); total != 1 {
		t.Errorf("%d probes after one was cancelled, want the next", total)
	}
	f.Done(f.endpoint(2), p2c.Call, f.now+1000, f.now+2000, p2c.Succeeded)
	if len(f.ejected()) != 0 {
		t.Error("still ejected after a probe has succeeded")
	}
}

func TestHungProbeDoesNotBlockForever(t *testing.T) {
	f := newFixed(2, nil)
	f.fail(t, 1)
	f.now += 2 * second
	for range 10 {
		f.Pick(f.now, p2c.Stream)
	}
	f.now += 6 * second
	for range 10 {
		f.Pick(f.now, p2c.Stream)
	}
	if got := f.endpoint(1).InFlight(p2c.Stream); got != 2 {
		t.Errorf("%d probes in 8 s while none has ended, want 2", got)
	}
}

func TestEjectionTimeDoubles(t *testing.T) {
	f := newFixed(3, nil)
	f.fail(t, 2)
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		why, ejected := f.Ejected(f.endpoint(2))
		if !ejected || why.Failures < 3 {
			t.Fatalf("ejected is %v because of %+v", ejected, why)
		}
		from := f.now
		for f.pick(failing(2)) != 2 {
			f.now += int64(20 * time.Millisecond)
			if f.now-from > 60*second {
				t.Fatal("never probed")
			}
		}
		waited, low, high := time.Duration(f.now-from), want*time.Second*8/10, want*time.Second*12/10
		if waited < low || waited > high {
			t.Errorf("probed after %v, want about %v", waited, want*time.Second)
		}
	}
}

func TestLateFailuresOfOldCallsDoNotProlong(t *testing.T) {
	f := newFixed(2, nil)
	started := f.now
	for range 40 {
		f.Pick(started, p2c.Call)
	}
	n := f.endpoint(1).InFlight(p2c.Call)
	for range n {
		f.now += int64(time.Millisecond)
		f.Done(f.endpoint(1), p2c.Call, started, f.now, p2c.Failed)
	}
	why, ejected := f.Ejected(f.endpoint(1))
	if !ejected || why.Until-f.now > second+second/5 {
		t.Errorf("%d calls broke together: ejected %v for %v, want about a second", n, ejected, time.Duration(why.Until-f.now))
	}
}

func TestCancelledCallsTellNothing(t *testing.T) {
	f := newFixed(2, func(c *p2c.Config) { c.SlowStart = 0 })
	// Endpoint 0 is slow: 400 ms. Cancelled quick calls must not make it look fast, nor ejected.
	e := f.endpoint(0)
	for {
		picked := f.Pick(f.now, p2c.Call)
		if picked == e {
			break
		}
		f.Done(picked, p2c.Call, f.now, f.now, p2c.Ignored)
	}
	started := f.now
	f.now += int64(400 * time.Millisecond)
	f.Done(e, p2c.Call, started, f.now, p2c.Succeeded)
	for range 100 {
		if picked := f.Pick(f.now, p2c.Call); picked != nil {
			f.Done(picked, p2c.Call, f.now, f.now, p2c.Ignored)
		}
	}
	fast := 0
	for range 1000 {
		if f.pick(fine) == 1 {
			fast++
		}
	}
	if fast < 990 || len(f.ejected()) != 0 {
		t.Errorf("the fast one got %d of 1000 calls; ejected: %v", fast, f.ejected())
	}
}

func TestLifetimeOfStreamsIsNoLatency(t *testing.T) {
	f := newFixed(2, nil)
	f.counts(100, fine)
	e := f.Pick(f.now, p2c.Stream)
	f.now += 100 * second
	f.counts(100, fine)
	f.Done(e, p2c.Stream, f.now-100*second, f.now, p2c.Succeeded)
	if got := f.counts(1000, fine)[e.Value.(int)]; got < 300 {
		t.Errorf("an endpoint got %d of 1000 calls after a long stream on it has ended, want about half", got)
	}
}

func TestDistance(t *testing.T) {
	f := newFixed(4, nil)
	for i, d := range []int{1, 0, 0, 2} {
		f.members[i].Distance = d
	}
	f.Replace(f.members, f.now)
	if got := f.counts(100, fine); got[0]+got[3] != 0 {
		t.Errorf("calls %v, want only the nearest two", got)
	}
	f.SetReady(f.endpoint(1), false, f.now)
	f.fail(t, 2)
	if got := f.counts(100, failing(2)); got[0] < 90 || got[3] != 0 {
		t.Errorf("calls %v with the nearest unready or ejected, want the next nearest", got)
	}
	f.now += 2 * second
	f.counts(100, fine)
	if got := f.counts(100, fine); got[2] != 100 {
		t.Errorf("calls %v after the nearest has recovered, want all on it", got)
	}
}

func TestReplaceKeepsWhatIsKnown(t *testing.T) {
	f := newFixed(3, nil)
	f.fail(t, 2)
	f.Replace(f.members[1:], f.now)
	if got := f.ejected(); len(got) != 1 || got[0] != 2 {
		t.Errorf("ejected %v after another endpoint was removed, want 2", got)
	}
	if got := f.counts(100, fine); got[0] != 0 {
		t.Errorf("a removed endpoint got %d calls", got[0])
	}
	// A call of an endpoint that is gone may still end.
	f.Pick(f.now, p2c.Call)
	f.Replace(nil, f.now)
	for range 5 {
		f.endpoint(0).InFlight(p2c.Call)
		f.Done(f.endpoint(0), p2c.Call, f.now, f.now+1, p2c.Failed)
	}
	if f.pick(fine) != -1 {
		t.Error("picked from an empty pool")
	}
}

func TestManyEndpointsConnectCheaply(t *testing.T) {
	const n = 2000
	f := newFixed(0, nil)
	for i := range n {
		f.members = append(f.members, p2c.Member{Endpoint: p2c.NewEndpoint(i), Weight: 1})
	}
	f.Replace(f.members, f.now)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, m := range f.members {
		f.SetReady(m.Endpoint, true, f.now)
	}
	runtime.ReadMemStats(&after)
	// A view of all of them for each would be 64 MB.
	if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > 8 {
		t.Errorf("%d MB were allocated while %d endpoints became ready", got, n)
	}
	f.now += second
	f.pick(fine)
	seen := map[int]bool{}
	for range 40 * n {
		seen[f.pick(fine)] = true
	}
	if len(seen) < n*99/100 {
		t.Errorf("%d of %d endpoints get calls", len(seen), n)
	}
}

func TestNoAllocations(t *testing.T) {
	f := newFixed(10, nil)
	if got := testing.AllocsPerRun(1000, func() { f.pick(fine) }); got != 0 {
		t.Errorf("%v allocations per call, want none", got)
	}
}

func TestConcurrentUse(t *testing.T) {
	pool := p2c.NewPool(p2c.Default())
	var list []p2c.Member
	for i := range 8 {
		list = append(list, p2c.Member{Endpoint: p2c.NewEndpoint(i), Weight: i, Distance: i / 6})
	}
	start := time.Now().Add(-time.Hour)
	clock := func() int64 { return int64(time.Since(start)) }
	pool.Replace(list, clock())
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for k := range 5000 {
				if w == 0 && k%10 == 0 {
					pool.SetReady(list[r.IntN(len(list))].Endpoint, r.IntN(4) > 0, clock())
				}
				if w == 1 && k%50 == 0 {
					pool.Replace(list[:1+r.IntN(len(list))], clock())
				}
				kind := p2c.Kind(r.IntN(2))
				started := clock()
				if e := pool.Pick(started, kind); e != nil {
					pool.Ejected(e)
					pool.Done(e, kind, started, clock(), p2c.Outcome(r.IntN(5)))
				}
			}
		})
	}
	wg.Wait()
	for i, m := range list {
		if m.Endpoint.InFlight(p2c.Call) != 0 || m.Endpoint.InFlight(p2c.Stream) != 0 {
			t.Errorf("endpoint %d has calls in flight after all have ended", i)
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{3, 100} {
		name := map[int]string{3: "endpoints=3", 100: "endpoints=100"}[n]
		b.Run(name, func(b *testing.B) {
			f := newFixed(n, func(c *p2c.Config) { c.Random = rand.Uint64 })
			b.ReportAllocs()
			for b.Loop() {
				f.now += 1000
				e := f.Pick(f.now, p2c.Call)
				f.Done(e, p2c.Call, f.now-math.MaxInt16, f.now, p2c.Succeeded)
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			f := newFixed(n, func(c *p2c.Config) { c.Random = rand.Uint64 })
			start := time.Now()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					now := f.now + int64(time.Since(start))
					e := f.Pick(now, p2c.Call)
					f.Done(e, p2c.Call, now-math.MaxInt16, now, p2c.Succeeded)
				}
			})
		})
	}
}

func BenchmarkConnect(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(map[int]string{100: "endpoints=100", 1000: "endpoints=1000", 10_000: "endpoints=10000"}[n], func(b *testing.B) {
			for b.Loop() {
				f := newFixed(n, nil)
				f.pick(fine)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/endpoint")
		})
	}
}
