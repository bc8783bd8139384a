package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/consulwire"
)

// Limits raises what definitions ask for too short. The zero value stands for Consul's limits.
type Limits struct {
	MinInterval        time.Duration // between two probes; 1 s when zero
	MinDeregisterAfter time.Duration // until a critical service is removed; 1 min when zero

	MaxOutput     int  // the most bytes of output that are kept of a check; MaxOutput when zero
	DiscardOutput bool // keep no output at all
}

func (l Limits) apply(d *Definition) {
	if d.Interval > 0 {
		d.Interval = max(d.Interval, cmp.Or(l.MinInterval, time.Second))
	}
	if d.DeregisterAfter > 0 {
		d.DeregisterAfter = max(d.DeregisterAfter, cmp.Or(l.MinDeregisterAfter, time.Minute))
	}
	most := cmp.Or(l.MaxOutput, MaxOutput)
	d.OutputMax = min(cmp.Or(d.OutputMax, most), most)
}

// maxStagger bounds the random delay before a check's first probe, which keeps checks that were
// registered together from probing in step.
const maxStagger = time.Second

// retryAfter is how long a result waits that could not be told, and a removal that failed, unless there is another
// result before.
const retryAfter = 5 * time.Second

// Errors of [Monitor.Renew].
var (
	ErrUnknown = errors.New("no such check")
	ErrNotTTL  = errors.New("not a TTL check")
)

// Config says whom a Monitor tells.
type Config struct {
	// Report is told a result that differs from the last that it took. Calls do not overlap, are in order,
	// and none comes after the check was stopped or replaced. It must neither block nor call the Monitor. With an
	// error it has not taken the result: what a renewal brought is forgotten, what was found is told again later.
	Report func(id string, result Result) error
	// Overdue is told that a check has been critical for as long as its definition allows, and again soon after an
	// error. Calls may overlap. It may call the Monitor, and should ask [Monitor.Overdue] again under its own lock.
	Overdue func(id string) error
	// Follow returns what an alias check looks at. Calls may overlap. It must not call the Monitor.
	Follow func(id string, d Definition) Followed
	Logger *slog.Logger
	Limits Limits
}

// Monitor runs checks. Its methods may be called from several goroutines at once.
type Monitor struct {
	cfg  Config
	work sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	runners map[string]*runner
}

// NewMonitor returns a Monitor that runs nothing yet. Close ends it.
func NewMonitor(cfg Config) *Monitor {
	return &Monitor{cfg: cfg, runners: make(map[string]*runner)}
}

// Start runs the check, in place of one with the same ID. initial is the result that is known already;
// it is not reported. After Close it does nothing.
func (m *Monitor) Start(id string, d Definition, initial Result) {
	m.cfg.Limits.apply(&d)
	m.startProbing(id, d, initial, d.probe())
}

func (m *Monitor) startProbing(id string, d Definition, initial Result, p probe) {
	m.cfg.Limits.apply(&d) // once more does no harm
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stop(id)
	if m.closed {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &runner{id: id, def: d, probe: p, streak: newStreak(&d), cancel: cancel, poke: make(chan struct{}, 1)}
	r.result = initial // how long it has been critical counts from the first result of its own
	switch d.runs() {
	case KindTTL:
		r.next = time.Now().Add(d.TTL)
	case KindAlias:
		r.expired = true // it waits for what it follows, and for nothing else
	default:
		r.next = time.Now().Add(rand.N(min(d.Interval, maxStagger))) //nolint:gosec // spreads load; nothing secret depends on it
	}
	m.runners[id] = r
	m.work.Go(func() { m.run(ctx, r) })
}

// Stop ends the check. Nothing of it is reported any more when Stop returns; a probe under way is cut off.
func (m *Monitor) Stop(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stop(id)
}

func (m *Monitor) stop(id string) {
	if r := m.runners[id]; r != nil {
		r.cancel()
		delete(m.runners, id)
	}
}

// Close ends all checks and waits for them.
func (m *Monitor) Close() {
	m.mu.Lock()
	m.closed = true
	for id := range m.runners {
		m.stop(id)
	}
	m.mu.Unlock()
	m.work.Wait()
}

// Len returns how many checks run.
func (m *Monitor) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.runners)
}

// Renew takes a sign of life for a TTL check: it has the result for another TTL. The error is
// ErrUnknown or ErrNotTTL, wrapped, or that of Report; then nothing has changed.
func (m *Monitor) Renew(id string, result Result) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.runners[id]
	if r == nil {
		return fmt.Errorf("renew check %q: %w", id, ErrUnknown)
	}
	if r.def.runs() != KindTTL {
		return fmt.Errorf("renew check %q: %w", id, ErrNotTTL)
	}
	result.Output = clip(result.Output, r.def.outputMax())
	since := r.since
	news, err := m.report(r, result)
	if err != nil {
		return err
	}
	r.next = time.Now().Add(r.def.TTL)
	r.renewed = result.Output
	if news || r.expired || r.since != since {
		r.expired = false
		r.wake()
	}
	return nil
}

// Overdue reports whether the check has been critical for as long as its definition allows.
func (m *Monitor) Overdue(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.runners[id]
	return r != nil && r.overdue(time.Now())
}

// report passes on a result of the runner that differs from its last, and says whether it did. After an error the
// runner is as it was. m.mu is held.
func (m *Monitor) report(r *runner, result Result) (news bool, err error) {
	if m.runners[r.id] != r {
		return false, nil
	}
	if m.cfg.Limits.DiscardOutput {
		result.Output = ""
	}
	news, changed := result != r.result, result.Status != r.result.Status
	if news {
		if err := m.cfg.Report(r.id, result); err != nil {
			return false, err
		}
	}
	if changed {
		m.cfg.Logger.Info("check changed", "check", r.id, "status", result.Status)
	}
	r.set(result, time.Now())
	return news, nil
}

// found reports what the monitor itself has found, now or, when it is not taken, again after a while. m.mu is held.
func (m *Monitor) found(r *runner, result Result) {
	now := time.Now()
	if r.waiting != nil && *r.waiting == result && now.Before(r.retry) {
		return
	}
	_, err := m.report(r, result)
	if err == nil {
		return
	}
	first := r.waiting == nil
	r.wait(result, now)
	if first {
		m.cfg.Logger.Error("result of check is not kept; trying again", "check", r.id, "status", result.Status, "again_in", retryAfter, "error", err)
	}
}

func (m *Monitor) run(ctx context.Context, r *runner) {
	for {
		changed := m.follow(r)
		timer := time.NewTimer(m.pause(r))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-r.poke:
			timer.Stop()
		case <-changed:
			timer.Stop()
		case <-timer.C:
			m.step(ctx, r)
		}
	}
}

// follow looks at what an alias check follows, and returns a channel that closes when to look again; nil for others.
func (m *Monitor) follow(r *runner) <-chan struct{} {
	if r.def.runs() != KindAlias {
		return nil
	}
	followed := m.cfg.Follow(r.id, r.def)
	result := r.def.alias(&followed)
	result.Output = clip(result.Output, r.def.outputMax())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.found(r, result)
	return followed.Changed
}

func (m *Monitor) pause(r *runner) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Until(r.due())
}

// step does what is due.
func (m *Monitor) step(ctx context.Context, r *runner) {
	if r.probe == nil {
		m.expire(r) // nothing for an alias check
	} else {
		m.ask(ctx, r)
	}
	m.retry(r)
	m.mu.Lock()
	overdue := m.runners[r.id] == r && r.overdue(time.Now())
	m.mu.Unlock()
	if !overdue {
		return
	}
	err := m.cfg.Overdue(r.id)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case r.since.IsZero(): // it has recovered in the meantime
	case err != nil:
		r.since = time.Now().Add(retryAfter - r.def.DeregisterAfter)
	default:
		r.since = time.Now() // where the service was kept all the same, it gets as long again
	}
}

// retry reports once more what could not be told, when it is time.
func (m *Monitor) retry(r *runner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.waiting != nil && !time.Now().Before(r.retry) {
		m.found(r, *r.waiting)
	}
}

func (m *Monitor) expire(r *runner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.expired || time.Now().Before(r.next) {
		return
	}
	r.expired = true
	output := "TTL expired"
	if r.renewed != "" {
		output += " (last output before timeout follows): " + r.renewed
	}
	m.found(r, Result{consulwire.Critical, output})
}

func (m *Monitor) ask(ctx context.Context, r *runner) {
	m.mu.Lock()
	due := !time.Now().Before(r.next)
	m.mu.Unlock()
	if !due {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, r.def.timeout())
	result := r.probe(bounded)
	cancel()
	if ctx.Err() != nil {
		return // stopped: the result tells of that, not of the target
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r.next = time.Now().Add(r.def.Interval)
	if result.Status = r.streak.next(result.Status); result.Status != "" {
		m.found(r, result)
	}
}
