package p2c_test

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/loadbalance/p2c"
)

// backend is a simulated instance: it answers any number of calls at once, each after service's time.
type backend struct {
	service func(*rand.Rand) time.Duration
	outcome p2c.Outcome
	served  int
	peak    int // of calls in flight
}

type arrival struct {
	at       int64
	client   int
	endpoint *p2c.Endpoint // nil: a call begins
	started  int64
}

type agenda []arrival

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at < a[j].at }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)        { *a = append(*a, x.(arrival)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// simulation runs clients that call, wait for the answer, think and call again, in virtual time.
type simulation struct {
	random *rand.Rand
	pools  []*p2c.Pool // client c uses pools[c%len(pools)]
	now    int64
	think  time.Duration
	agenda agenda
}

func newSimulation(pools, clients int, think time.Duration, change func(*p2c.Config)) *simulation {
	s := &simulation{random: rand.New(rand.NewPCG(1, 2)), now: int64(time.Hour), think: think}
	for range pools {
		config := p2c.Default()
		config.Random = s.random.Uint64
		if change != nil {
			change(&config)
		}
		s.pools = append(s.pools, p2c.NewPool(config))
	}
	for c := range clients {
		heap.Push(&s.agenda, arrival{at: s.now + s.random.Int64N(int64(time.Millisecond)), client: c})
	}
	return s
}

// join makes the backends the members of every pool, ready.
func (s *simulation) join(pool *p2c.Pool, members []p2c.Member) {
	pool.Replace(members, s.now)
	for _, m := range members {
		pool.SetReady(m.Endpoint, true, s.now)
	}
}

func members(backends ...*backend) []p2c.Member {
	var list []p2c.Member
	for _, b := range backends {
		list = append(list, p2c.Member{Endpoint: p2c.NewEndpoint(b), Weight: 1})
	}
	return list
}

func (s *simulation) run(d time.Duration) {
	end := s.now + int64(d)
	for len(s.agenda) > 0 && s.agenda[0].at < end {
		a := heap.Pop(&s.agenda).(arrival)
		s.now = a.at
		pool := s.pools[a.client%len(s.pools)]
		if a.endpoint != nil {
			b := a.endpoint.Value.(*backend)
			pool.Done(a.endpoint, p2c.Call, a.started, s.now, b.outcome)
			pause := s.think
			if pause > 0 {
				pause = pause/2 + time.Duration(s.random.Int64N(int64(pause)))
			}
			heap.Push(&s.agenda, arrival{at: s.now + int64(pause), client: a.client})
			continue
		}
		e := pool.Pick(s.now, p2c.Call)
		b := e.Value.(*backend)
		b.served++
		b.peak = max(b.peak, e.InFlight(p2c.Call))
		heap.Push(&s.agenda, arrival{at: s.now + int64(b.service(s.random)), client: a.client, endpoint: e, started: s.now})
	}
	s.now = end
}

// around returns service times spread evenly over mean ± half of it.
func around(mean time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return mean/2 + time.Duration(r.Int64N(int64(mean))) }
}

// shares returns what part of all calls each backend served since the last time, in percent.
func shares(backends ...*backend) []float64 {
	total := 0
	for _, b := range backends {
		total += b.served
	}
	var list []float64
	for _, b := range backends {
		list = append(list, 100*float64(b.served)/float64(max(total, 1)))
		b.served = 0
	}
	return list
}

func within(t *testing.T, what string, got, low, high float64) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s: got %.2f %%, want %.2f to %.2f", what, got, low, high)
	}
}

// load is how a scenario is driven: both extremes matter, because balancing by calls in flight alone says
// nothing when there is only one.
var loads = []struct {
	name    string
	clients int
	think   time.Duration
}{
	{"one caller", 1, 0},
	{"busy", 24, 0},
	{"sparse", 8, 20 * time.Millisecond},
}

func TestSlowInstanceGetsHardlyAnything(t *testing.T) {
	for _, load := range loads {
		t.Run(load.name, func(t *testing.T) {
			fast1, fast2, slow := &backend{service: around(time.Millisecond)}, &backend{service: around(time.Millisecond)}, &backend{service: around(50 * time.Millisecond)}
			s := newSimulation(1, load.clients, load.think, nil)
			s.join(s.pools[0], members(fast1, fast2, slow))
			s.run(10 * time.Second)
			got := shares(fast1, fast2, slow)
			within(t, "slow", got[2], 0, 1)
			within(t, "fast", got[0], 40, 60)
		})
	}
}

func TestEqualInstancesShareEqually(t *testing.T) {
	for _, load := range loads {
		t.Run(load.name, func(t *testing.T) {
			list := make([]*backend, 5)
			for i := range list {
				list[i] = &backend{service: around(2 * time.Millisecond)}
			}
			s := newSimulation(1, load.clients, load.think, nil)
			s.join(s.pools[0], members(list...))
			s.run(20 * time.Second)
			for _, got := range shares(list...) {
				within(t, "share", got, 15, 25)
			}
		})
	}
}

func TestSharesFollowWeights(t *testing.T) {
	for _, load := range loads {
		t.Run(load.name, func(t *testing.T) {
			light, heavy := &backend{service: around(2 * time.Millisecond)}, &backend{service: around(2 * time.Millisecond)}
			s := newSimulation(1, load.clients, load.think, nil)
			list := members(light, heavy)
			list[1].Weight = 3
			s.join(s.pools[0], list)
			s.run(20 * time.Second)
			within(t, "light of 1:3", shares(light, heavy)[0], 18, 38)
		})
	}
}

// TestShareOfACanary has one of four instances get the tenth that its weight is of all.
func TestShareOfACanary(t *testing.T) {
	for _, load := range loads {
		t.Run(load.name, func(t *testing.T) {
			var backends []*backend
			for range 4 {
				backends = append(backends, &backend{service: around(2 * time.Millisecond)})
			}
			s := newSimulation(1, load.clients, load.think, nil)
			list := members(backends...)
			for at, weight := range []int{100, 100, 100, 33} {
				list[at].Weight = weight
			}
			s.join(s.pools[0], list)
			s.run(20 * time.Second)
			within(t, "canary of 33:333", shares(backends...)[3], 7, 14)
		})
	}
}

func TestNewInstanceIsNotOverrun(t *testing.T) {
	old1, old2, fresh := &backend{service: around(20 * time.Millisecond)}, &backend{service: around(20 * time.Millisecond)}, &backend{service: around(20 * time.Millisecond)}
	const clients = 20
	s := newSimulation(clients, clients*8, 0, nil)
	lists := make([][]p2c.Member, clients)
	for i, pool := range s.pools {
		lists[i] = members(old1, old2)
		s.join(pool, lists[i])
	}
	s.run(20 * time.Second)
	shares(old1, old2)
	for i, pool := range s.pools {
		s.join(pool, append(lists[i], members(fresh)...))
	}
	s.run(time.Second)
	within(t, "share in the first second", shares(old1, old2, fresh)[2], 0.5, 8)
	if fresh.peak > 3 {
		t.Errorf("a client had %d calls at once on the new instance in its first second; of 8 callers", fresh.peak)
	}
	s.run(4 * time.Second)
	shares(old1, old2, fresh)
	s.run(time.Second)
	within(t, "share in the sixth second", shares(old1, old2, fresh)[2], 12, 28)
	s.run(10 * time.Second)
	shares(old1, old2, fresh)
	s.run(10 * time.Second)
	within(t, "share at the end", shares(old1, old2, fresh)[2], 27, 39)
}

func TestFirstSampleIsWaitedForByOneCall(t *testing.T) {
	known, unknown := &backend{service: around(time.Millisecond)}, &backend{service: func(*rand.Rand) time.Duration { return 3 * time.Second }}
	s := newSimulation(1, 64, 0, func(c *p2c.Config) { c.SlowStart = 0 })
	list := members(known)
	s.join(s.pools[0], list)
	s.run(time.Second)
	s.join(s.pools[0], append(list, members(unknown)...))
	s.run(2 * time.Second)
	if unknown.served != 1 {
		t.Errorf("%d calls were sent to an instance that has not answered one, want 1", unknown.served)
	}
}

func TestInstanceThatWasSlowComesBack(t *testing.T) {
	duration := 250 * time.Millisecond
	fast, changing := &backend{service: around(5 * time.Millisecond)}, &backend{service: func(r *rand.Rand) time.Duration { return around(duration)(r) }}
	s := newSimulation(1, 4, 0, func(c *p2c.Config) { c.OutlierFactor = 0 })
	s.join(s.pools[0], members(fast, changing))
	s.run(20 * time.Second)
	within(t, "while slow", shares(fast, changing)[1], 0, 2)
	duration = 5 * time.Millisecond
	s.run(60 * time.Second)
	shares(fast, changing)
	s.run(20 * time.Second)
	within(t, "after it has become fast", shares(fast, changing)[1], 35, 65)
}

func TestFailingInstanceIsEjectedAndComesBack(t *testing.T) {
	// An instance that refuses at once looks fast and idle: that must not attract calls.
	good1, good2, bad := &backend{service: around(10 * time.Millisecond)}, &backend{service: around(10 * time.Millisecond)}, &backend{service: around(100 * time.Microsecond), outcome: p2c.Failed}
	s := newSimulation(1, 8, 0, nil)
	s.join(s.pools[0], members(good1, good2, bad))
	s.run(2 * time.Second)
	shares(good1, good2, bad)
	s.run(60 * time.Second)
	if bad.served > 8 {
		t.Errorf("%d calls went to an instance that fails always in a minute; the time of ejection should double up to half a minute", bad.served)
	}
	bad.outcome, bad.service = p2c.Succeeded, around(10*time.Millisecond)
	s.run(45 * time.Second)
	shares(good1, good2, bad)
	s.run(10 * time.Second)
	within(t, "after it has recovered", shares(good1, good2, bad)[2], 25, 42)
}

func TestOutlierIsEjected(t *testing.T) {
	fast1, fast2, slow := &backend{service: around(time.Millisecond)}, &backend{service: around(time.Millisecond)}, &backend{service: around(100 * time.Millisecond)}
	s := newSimulation(1, 64, 0, nil)
	list := members(fast1, fast2, slow)
	s.join(s.pools[0], list)
	for range 100 {
		s.run(100 * time.Millisecond)
		if why, ejected := s.pools[0].Ejected(list[2].Endpoint); ejected {
			if why.Latency < 20*time.Millisecond || why.Failures != 0 {
				t.Errorf("ejected because of %+v, want a latency above the floor", why)
			}
			return
		}
	}
	t.Error("an instance a hundred times slower than the others was not ejected in 10 s")
}

func TestAlikeButSeldomCalledIsNoOutlier(t *testing.T) {
	list := []*backend{{service: around(100 * time.Millisecond)}, {service: around(100 * time.Millisecond)}, {service: around(100 * time.Millisecond)}}
	s := newSimulation(1, 1, 30*time.Second, nil)
	ms := members(list...)
	s.join(s.pools[0], ms)
	for range 600 {
		s.run(10 * time.Second)
		for i, m := range ms {
			if why, ejected := s.pools[0].Ejected(m.Endpoint); ejected {
				t.Fatalf("instance %d of three alike was ejected: %+v", i, why)
			}
		}
	}
}
