package p2c

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Pool chooses among endpoints. All methods may be called from several goroutines at once. Pick and Done take no
// lock and allocate nothing, but where an endpoint is ejected, probed or taken back.
//
// Times are nanoseconds of one steady clock, above 0.
type Pool struct {
	settings  atomic.Pointer[settings]
	view      atomic.Pointer[view]
	nextJudge atomic.Int64

	mu        sync.Mutex
	members   []*Endpoint
	dirty     bool  // readiness has changed since the view was made
	published int64 // when the view was made
	scratch   []float64
}

// settings is a Config ready for use.
type settings struct {
	Config
	decay  float64 // Decay in nanoseconds
	window float64 // SlowStart in nanoseconds
	// avoidance is how long an endpoint is avoided after a failure.
	avoidance int64
}

// view is what Pick reads: a picture of the pool that is replaced, never changed.
type view struct {
	candidates []candidate
	upTo       []float64   // the parts of the candidates up to and with each, 0 to 1; nil when all weights are equal
	distance   int         // of the candidates
	ejected    []*Endpoint // to be probed; not among the candidates
	wake       atomic.Int64
}

type candidate struct {
	*Endpoint
	share float64 // weight relative to the mean of the candidates
	rest  float64 // part of all weights that the others have, 0 to 1
}

// Member is an endpoint's place in a pool.
type Member struct {
	Endpoint *Endpoint
	// Weight is the share of traffic relative to the others; below 1 counts as 1.
	Weight int
	// Distance: only the nearest endpoints that are ready and not ejected get calls.
	Distance int
}

// NewPool returns a pool without endpoints.
func NewPool(config Config) *Pool {
	p := new(Pool)
	p.Configure(config)
	p.view.Store(newView())
	return p
}

// Configure sets the config anew, for all that is decided from now on.
func (p *Pool) Configure(config Config) {
	p.settings.Store(&settings{
		Config: config, decay: float64(config.Decay), window: float64(config.SlowStart),
		avoidance: int64(min(config.EjectionBase, time.Second)),
	})
}

func newView() *view {
	v := new(view)
	v.wake.Store(math.MaxInt64)
	return v
}

// Replace sets the endpoints of the pool. Those that were in it keep what is known of them; those that are gone get no
// call any more, and their calls in flight may end when they want.
func (p *Pool) Replace(members []Member, now int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.members {
		e.member = false
	}
	p.members = make([]*Endpoint, 0, len(members))
	for _, m := range members {
		m.Endpoint.member = true
		m.Endpoint.weight = float64(max(m.Weight, 1))
		m.Endpoint.distance = m.Distance
		p.members = append(p.members, m.Endpoint)
	}
	p.publish(now)
}

// SetReady tells whether calls can be sent to the endpoint; at first they cannot. An endpoint that becomes unready
// gets no call after SetReady has returned. One that becomes ready may have to wait for a few milliseconds where
// there are very many, so that n of them cost no n² when they connect.
func (p *Pool) SetReady(e *Endpoint, ready bool, now int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.ready == ready {
		return
	}
	e.ready = ready
	if !ready {
		e.lostAt = now
		p.publish(now)
		return
	}
	if e.lostAt == 0 || now-e.lostAt >= absence {
		e.since.Store(now)
	}
	e.avoidUntil.Store(0)
	v := p.view.Load()
	if len(v.candidates) < publishAlways || now-p.published >= publishEvery {
		p.publish(now)
		return
	}
	p.dirty = true
	v.wake.Store(p.nextWake(v))
}

// Pick chooses an endpoint for a call and counts it as in flight: each must be followed by one Done. It returns nil when no
// endpoint is ready.
func (p *Pool) Pick(now int64, kind Kind) *Endpoint {
	v := p.view.Load()
	if now >= v.wake.Load() {
		if e := p.attend(now); e != nil {
			e.counter(kind).Add(1)
			return e
		}
		v = p.view.Load()
	}
	e := p.settings.Load().choose(v, now, kind)
	if e != nil {
		e.counter(kind).Add(1)
	}
	return e
}

func (s *settings) choose(v *view, now int64, kind Kind) *Endpoint {
	from := v.candidates
	switch len(from) {
	case 0:
		return nil
	case 1:
		return from[0].Endpoint
	}
	// One draw serves for both indexes, 21 bits each, and for the comparison.
	bits := s.Random()
	i, j := v.draw(bits>>43, bits>>22&(1<<21-1))
	draw := float64(bits&(1<<22-1)) / (1 << 22)
	if s.prefer(&from[i], &from[j], now, kind, draw) {
		return from[i].Endpoint
	}
	return from[j].Endpoint
}

// draw returns the indexes of two different candidates, each drawn with the chance of its part of the weights among those
// that are left. a and b are random, of 21 bits.
func (v *view) draw(a, b uint64) (i, j int) {
	n := uint64(len(v.candidates))
	if v.upTo == nil {
		i, j = int(a*n>>21), int(b*(n-1)>>21)
		if j >= i {
			j++
		}
		return i, j
	}
	i = v.at(float64(a) / (1 << 21))
	rest := v.candidates[i].rest
	x := float64(b) / (1 << 21) * rest
	if before := v.upTo[i] - (1 - rest); x >= before {
		x += 1 - rest // beyond the first one
	}
	if j = v.at(x); j == i { // by rounding
		j = (i + 1) % len(v.candidates)
	}
	return i, j
}

// at returns the candidate to whose part x in [0, 1) belongs.
func (v *view) at(x float64) int {
	i, exact := slices.BinarySearch(v.upTo, x)
	if exact {
		i++
	}
	return min(i, len(v.upTo)-1)
}

// prefer reports whether a is to be taken rather than b, where draw is random in [0, 1).
func (s *settings) prefer(a, b *candidate, now int64, kind Kind, draw float64) bool {
	if avoidA, avoidB := a.avoided(now), b.avoided(now); avoidA != avoidB {
		return avoidB
	}
	inFlightA, inFlightB := float64(a.counter(kind).Load()), float64(b.counter(kind).Load())
	latencyA, latencyB := 1.0, 1.0 // streams are spread by their number alone
	if kind == Call {
		latencyA, latencyB = a.latency.at(now, s.decay), b.latency.at(now, s.decay)
	}
	if latencyA == 0 || latencyB == 0 {
		// While only one of them has a sample the other gets no more than one call at a time.
		if latencyA == 0 && latencyB != 0 && inFlightA > 0 {
			return false
		}
		if latencyB == 0 && latencyA != 0 && inFlightB > 0 {
			return true
		}
		latencyA, latencyB = 1, 1
	}
	rampA, rampB := a.ramp(now, s.window), b.ramp(now, s.window)
	ratio := latencyA * (inFlightA/(a.share*rampA) + 1) / (latencyB * (inFlightB/(b.share*rampB) + 1))
	ratio *= ratio
	ratio *= ratio
	// The heavier of a pair was drawn more often already: this is what makes all shares those of the weights while all
	// costs are the same.
	chance := b.rest / (b.rest + a.rest*ratio)
	// The one that is behind in its slow start lets a part of the calls go that it has won: without this it
	// would never be idle, however low its share.
	if rampA < rampB {
		chance *= rampA / rampB
	} else if rampB < rampA {
		chance = 1 - (1-chance)*rampB/rampA
	}
	return draw < chance
}

// Done ends a call: e and kind as of its Pick, started the time given to it.
func (p *Pool) Done(e *Endpoint, kind Kind, started, now int64, outcome Outcome) {
	s := p.settings.Load()
	e.counter(kind).Add(-1)
	if e.ejected.Load() && started >= e.ejectedAt.Load() {
		p.probed(e, now, outcome)
	}
	switch outcome {
	case Succeeded, Late:
		if outcome == Succeeded {
			e.forgive()
		}
		if kind == Call && e.sample(now-started, now, s.decay, int64(s.OutlierFloor)) {
			p.judge(e, now)
		}
	case Failed:
		e.avoidUntil.Store(now + s.avoidance)
		if n := e.failures.Add(1); int(n) >= s.Failures && !e.ejected.Load() {
			p.eject(e, now, Ejection{Failures: int(n)})
		}
	case Avoided:
		e.avoidUntil.Store(now + s.avoidance)
	case Ignored:
	}
}

// Avoid makes calls prefer other endpoints for a while, as after a failure, or until a call succeeds on it.
func (p *Pool) Avoid(e *Endpoint, now int64) {
	e.avoidUntil.Store(now + p.settings.Load().avoidance)
}

// publish makes the view anew. p.mu is held.
func (p *Pool) publish(now int64) {
	p.dirty, p.published = false, now
	v := newView()
	if distance, some := p.nearest(func(e *Endpoint) bool { return e.ready && !e.ejected.Load() }); some {
		v.distance = distance
		v.take(p.members, func(e *Endpoint) bool { return !e.ejected.Load() })
		for _, e := range p.members {
			if e.ready && e.ejected.Load() && e.distance <= distance {
				v.ejected = append(v.ejected, e)
			}
		}
	} else if distance, some := p.nearest(func(e *Endpoint) bool { return e.ready }); some {
		// Nothing is left but what was ejected: use all of it.
		v.distance = distance
		v.take(p.members, func(*Endpoint) bool { return true })
	}
	v.wake.Store(p.nextWake(v))
	p.view.Store(v)
}

// nearest returns the smallest distance of the members that ok accepts.
func (p *Pool) nearest(ok func(*Endpoint) bool) (distance int, some bool) {
	for _, e := range p.members {
		if ok(e) && (!some || e.distance < distance) {
			distance, some = e.distance, true
		}
	}
	return distance, some
}

// take makes candidates of the ready members at the view's distance that ok accepts.
func (v *view) take(members []*Endpoint, ok func(*Endpoint) bool) {
	total := 0.0
	v.candidates = make([]candidate, 0, len(members))
	for _, e := range members {
		if e.ready && e.distance == v.distance && ok(e) {
			v.candidates = append(v.candidates, candidate{Endpoint: e, share: e.weight})
			total += e.weight
		}
	}
	mean, sum, equal := total/float64(len(v.candidates)), 0.0, true
	upTo := make([]float64, len(v.candidates))
	for i := range v.candidates {
		c := &v.candidates[i]
		equal = equal && c.weight == v.candidates[0].weight
		sum += c.share
		upTo[i], c.rest = sum/total, 1-c.share/total
		c.share /= mean
	}
	if !equal {
		v.upTo = upTo
	}
}

// nextWake returns when Pick has to leave its short way: to take in endpoints, or to probe one.
// p.mu is held.
func (p *Pool) nextWake(v *view) int64 {
	wake := int64(math.MaxInt64)
	if p.dirty {
		wake = p.published + publishEvery
	}
	for _, e := range v.ejected {
		due := e.ejection.Until
		if e.probeSince != 0 {
			due = e.probeSince + probePatience
		}
		wake = min(wake, due)
	}
	return wake
}

// attend does what a view was woken for, and returns an endpoint to be probed with this very call, or nil.
func (p *Pool) attend(now int64) *Endpoint {
	if !p.mu.TryLock() {
		return nil // someone is at it
	}
	defer p.mu.Unlock()
	if p.dirty {
		p.publish(now)
	}
	v := p.view.Load()
	var probe *Endpoint
	for _, e := range v.ejected {
		if e.probeDue(now) {
			e.probeSince = now
			probe = e
			break
		}
	}
	v.wake.Store(p.nextWake(v))
	return probe
}
