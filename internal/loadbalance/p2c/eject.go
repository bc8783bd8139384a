package p2c

import (
	"slices"
	"time"
)

// Ejection says why an endpoint gets no calls for a while.
type Ejection struct {
	// Failures is the number of calls that failed in a row, 0 when the endpoint was ejected for its latency.
	Failures int
	// Latency is what its fastest call took lately, and Others the median latency of the others.
	Latency, Others time.Duration
	// Until is when it is probed.
	Until int64
}

// Ejected returns why the endpoint is ejected, and whether it is.
func (p *Pool) Ejected(e *Endpoint) (Ejection, bool) {
	if !e.ejected.Load() {
		return Ejection{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return e.ejection, e.ejected.Load()
}

// eject takes the endpoint out of use for a time, unless half of those that are ready would then be out.
func (p *Pool) eject(e *Endpoint, now int64, why Ejection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.ejected.Load() || !e.member || !p.roomToEject() {
		return
	}
	if e.readmittedAt != 0 && now-e.readmittedAt <= int64(p.settings.Load().EjectionMax) {
		e.level++
	} else {
		e.level = 0
	}
	e.ejection = why
	e.ejectedAt.Store(now)
	e.ejected.Store(true)
	p.sentence(e, now)
}

// sentence sets how long the endpoint stays ejected from now on. p.mu is held.
func (p *Pool) sentence(e *Endpoint, now int64) {
	duration := p.settings.Load().EjectionMax
	if e.level < 32 {
		duration = min(p.settings.Load().EjectionBase<<e.level, p.settings.Load().EjectionMax)
	}
	// Jitter by a tenth either way keeps clients from probing in step.
	jitter := float64(p.settings.Load().Random()>>11) / (1 << 53)
	e.ejection.Until = now + int64(float64(duration)*(0.9+0.2*jitter))
	e.probeSince = 0
	p.publish(now)
}

// roomToEject reports whether one more endpoint may be ejected. p.mu is held.
func (p *Pool) roomToEject() bool {
	ready, ejected := 0, 1
	for _, e := range p.members {
		if e.ready {
			ready++
			if e.ejected.Load() {
				ejected++
			}
		}
	}
	return 2*ejected <= ready
}

func (e *Endpoint) probeDue(now int64) bool {
	if e.probeSince != 0 {
		return now-e.probeSince >= probePatience
	}
	return now >= e.ejection.Until
}

// probed takes the outcome of a call that was sent to an ejected endpoint, be it a probe or because all
// are ejected.
func (p *Pool) probed(e *Endpoint, now int64, outcome Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !e.ejected.Load():
		return
	case outcome == Succeeded:
		e.ejected.Store(false)
		e.readmittedAt = now
		e.since.Store(now)
		e.resetSlow()
		e.probeSince = 0
		p.publish(now)
	case outcome == Failed || outcome == Late:
		if now >= e.ejection.Until { // else it is one of many, while all are ejected
			e.level++
			p.sentence(e, now)
		}
	case e.probeSince != 0:
		// It told nothing: let the next call be the probe.
		e.probeSince = 0
		v := p.view.Load()
		v.wake.Store(p.nextWake(v))
	}
}

// judge ejects an endpoint whose latest calls were all far slower than the others' are.
func (p *Pool) judge(e *Endpoint, now int64) {
	next := p.nextJudge.Load()
	if p.settings.Load().OutlierFactor == 0 || now < next || !p.nextJudge.CompareAndSwap(next, now+judgeEvery) {
		return
	}
	fastest := e.fastest.Load()
	e.resetSlow()
	others, some := p.medianOfOthers(e)
	if some && float64(fastest) > p.settings.Load().OutlierFactor*others {
		p.eject(e, now, Ejection{Latency: time.Duration(fastest), Others: time.Duration(others)})
	}
}

// medianOfOthers returns the median latency of the ready endpoints but e, and whether any has a sample.
func (p *Pool) medianOfOthers(e *Endpoint) (median float64, some bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scratch = p.scratch[:0]
	for _, other := range p.members {
		if other == e || !other.ready || other.ejected.Load() {
			continue
		}
		if latency := other.latency.last(); latency > 0 {
			p.scratch = append(p.scratch, latency)
		}
	}
	if len(p.scratch) == 0 {
		return 0, false
	}
	slices.Sort(p.scratch)
	return p.scratch[len(p.scratch)/2], true
}
