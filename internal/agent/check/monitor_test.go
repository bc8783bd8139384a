package check

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandakit/panda/internal/consulwire"
)

// told records what a monitor tells.
type told struct {
	mu      sync.Mutex
	results []Result
	overdue []string
	refused error // of what is told; nil: it is taken
	tries   int
}

func (t *told) report(_ string, r Result) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tries++
	if t.refused == nil {
		t.results = append(t.results, r)
	}
	return t.refused
}

func (t *told) late(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.overdue = append(t.overdue, id)
	return t.refused
}

// refuse makes the next results be refused, or be taken again, and returns how many were told until now.
func (t *told) refuse(err error) (tries int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused = err
	return t.tries
}

func (t *told) statuses() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var s []string
	for _, r := range t.results {
		s = append(s, r.Status)
	}
	return s
}

func (t *told) lateOnes() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.overdue)
}

func (t *told) last() Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.results) == 0 {
		return Result{}
	}
	return t.results[len(t.results)-1]
}

func newMonitor(t *testing.T, to *told) *Monitor {
	t.Helper()
	m := NewMonitor(Config{Report: to.report, Overdue: to.late, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(m.Close)
	return m
}

// after lets d pass in the bubble's fake time, and all that is due then happen.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func renew(t *testing.T, m *Monitor, status, output string) {
	t.Helper()
	if err := m.Renew("c", Result{status, output}); err != nil {
		t.Fatal(err)
	}
}

func TestTTLExpiresUnlessRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		m := newMonitor(t, &to)
		m.Start("c", Definition{TTL: 10 * time.Second}, Result{Status: consulwire.Critical})
		renew(t, m, consulwire.Passing, "up")
		for range 5 {
			after(9 * time.Second)
			renew(t, m, consulwire.Passing, "up")
		}
		if got := to.statuses(); !slices.Equal(got, []string{"passing"}) {
			t.Fatalf("renewals that change nothing were told: %v", got)
		}
		after(10 * time.Second)
		want := Result{consulwire.Critical, "TTL expired (last output before timeout follows): up"}
		if got := to.last(); got != want {
			t.Fatalf("after the TTL: %+v, want %+v", got, want)
		}
		after(time.Minute)
		renew(t, m, consulwire.Warning, "again")
		after(9 * time.Second)
		if got := to.last(); got != (Result{consulwire.Warning, "again"}) {
			t.Fatalf("renewed after it expired: %+v", got)
		}
		after(time.Second)
		if got := to.statuses(); !slices.Equal(got, []string{"passing", "critical", "warning", "critical"}) {
			t.Fatalf("the TTL did not start anew: %v", got)
		}
	})
}

func TestInitialStatusLastsOneTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		m := newMonitor(t, &to)
		m.Start("c", Definition{TTL: 10 * time.Second}, Result{Status: consulwire.Passing})
		after(9 * time.Second)
		if got := to.statuses(); got != nil {
			t.Fatalf("told before the TTL: %v", got)
		}
		after(time.Second)
		if got := to.last(); got != (Result{consulwire.Critical, "TTL expired"}) {
			t.Fatalf("got %+v", got)
		}
	})
}

func TestRenewRefuses(t *testing.T) {
	var to told
	m := newMonitor(t, &to)
	m.Start("tcp", Definition{TCP: "127.0.0.1:1", Interval: time.Hour}, Result{})
	if err := m.Renew("tcp", Result{}); !errors.Is(err, ErrNotTTL) {
		t.Errorf("a TCP check: %v", err)
	}
	if err := m.Renew("nope", Result{}); !errors.Is(err, ErrUnknown) {
		t.Errorf("an unknown check: %v", err)
	}
}

func TestStoppedAndReplacedChecksAreSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		m := newMonitor(t, &to)
		m.Start("c", Definition{TTL: 10 * time.Second}, Result{Status: consulwire.Passing})
		after(5 * time.Second)
		m.Start("c", Definition{TTL: 10 * time.Second}, Result{Status: consulwire.Passing})
		after(9 * time.Second)
		if got := to.statuses(); got != nil {
			t.Fatalf("the replaced check was told: %v", got)
		}
		m.Stop("c")
		after(time.Minute)
		if got := to.statuses(); got != nil {
			t.Fatalf("the stopped check was told: %v", got)
		}
	})
}

// TestOverdue holds when a check is told to be overdue that has been found critical, here after a second: after its own
// time, after a minute when that is shorter, never when it has none or recovers.
func TestOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		m := newMonitor(t, &to)
		m.Start("never", Definition{TTL: time.Second}, Result{Status: consulwire.Critical})
		m.Start("short", Definition{TTL: time.Second, DeregisterAfter: time.Second}, Result{Status: consulwire.Critical})
		m.Start("long", Definition{TTL: time.Second, DeregisterAfter: 5 * time.Minute}, Result{Status: consulwire.Critical})
		m.Start("recovers", Definition{TTL: 10 * time.Minute, DeregisterAfter: 5 * time.Minute}, Result{Status: consulwire.Critical})
		after(time.Minute)
		if got := to.lateOnes(); got != nil {
			t.Fatalf("after 60 s: %v", got)
		}
		after(time.Second)
		if got := to.lateOnes(); !slices.Equal(got, []string{"short"}) {
			t.Fatalf("after a minute: %v", got)
		}
		m.Stop("short")
		if err := m.Renew("recovers", Result{Status: consulwire.Passing}); err != nil {
			t.Fatal(err)
		}
		after(4*time.Minute - time.Second)
		if m.Overdue("long") {
			t.Error("long is overdue too early")
		}
		after(time.Second)
		if got := to.lateOnes(); !slices.Equal(got, []string{"short", "long"}) {
			t.Fatalf("after five minutes: %v", got)
		}
	})
}

func TestBecomingCriticalStartsTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		m := newMonitor(t, &to)
		m.Start("c", Definition{TTL: time.Hour, DeregisterAfter: time.Minute}, Result{Status: consulwire.Passing})
		after(10 * time.Minute)
		renew(t, m, consulwire.Critical, "down")
		after(30 * time.Second)
		renew(t, m, consulwire.Critical, "still down")
		after(29 * time.Second)
		if m.Overdue("c") || to.lateOnes() != nil {
			t.Fatal("overdue too early")
		}
		after(time.Second)
		if !slices.Equal(to.lateOnes(), []string{"c"}) {
			t.Fatal("a critical check that is renewed critical must become overdue")
		}
	})
}

var errFull = errors.New("no space left on device")

// TestRefusedRenewalChangesNothing holds that who renews is told that it was not taken, that the TTL goes on as if it had
// not been tried, and that what is no news needs nobody to take it.
func TestRefusedRenewalChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		m := newMonitor(t, &to)
		m.Start("c", Definition{TTL: 10 * time.Second}, Result{Status: consulwire.Critical})
		renew(t, m, consulwire.Passing, "up")
		to.refuse(errFull)
		after(6 * time.Second)
		renew(t, m, consulwire.Passing, "up")
		after(6 * time.Second)
		if err := m.Renew("c", Result{consulwire.Critical, "dead"}); !errors.Is(err, errFull) {
			t.Fatalf("got %v", err)
		}
		after(4 * time.Second) // ten after the last that was taken
		to.refuse(nil)
		after(retryAfter)
		want := Result{consulwire.Critical, "TTL expired (last output before timeout follows): up"}
		if got := to.last(); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

// TestRefusedResultIsToldAgain holds that what was found while nobody took it is told once somebody does, without
// another result and by every kind of check, and not all the time.
func TestRefusedResultIsToldAgain(t *testing.T) {
	for name, d := range map[string]Definition{
		"TTL": {TTL: time.Second}, "probe": {TCP: "127.0.0.1:1", Interval: time.Hour}, "often": {TCP: "127.0.0.1:1", Interval: time.Second},
		"alias": {AliasService: "gone"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var to told
			changed := make(chan struct{})
			m := NewMonitor(Config{
				Report: to.report, Overdue: to.late, Logger: slog.New(slog.DiscardHandler),
				Follow: func(string, Definition) Followed { return Followed{Changed: changed} },
			})
			defer m.Close()
			to.refuse(errFull)
			var p probe
			if d.Interval > 0 {
				p = scripted(consulwire.Critical)
			}
			m.startProbing("c", d, Result{Status: consulwire.Passing, Output: "as before"}, p)
			after(time.Minute)
			if tries := to.refuse(nil); to.statuses() != nil || tries < 60/5-2 || tries > 60/5+2 {
				t.Errorf("%s: told %d times in a minute, taken %v", name, tries, to.statuses())
			}
			after(retryAfter)
			if got := to.statuses(); !slices.Equal(got, []string{consulwire.Critical}) {
				t.Errorf("%s: got %v", name, got)
			}
			after(time.Minute)
			if got := to.statuses(); len(got) != 1 {
				t.Errorf("%s: told again: %v", name, got)
			}
		})
	}
}

// TestRefusedAndOverBefore holds that a result which was never taken is not told when another has come after it.
func TestRefusedAndOverBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		m := newMonitor(t, &to)
		m.Start("c", Definition{TTL: 10 * time.Second}, Result{consulwire.Passing, "up"})
		to.refuse(errFull)
		after(11 * time.Second)
		renew(t, m, consulwire.Passing, "up") // as it was told last
		to.refuse(nil)
		after(9 * time.Second)
		if got := to.statuses(); got != nil {
			t.Errorf("got %v", got)
		}
		after(time.Second)
		if got := to.statuses(); !slices.Equal(got, []string{consulwire.Critical}) {
			t.Errorf("after the TTL: %v", got)
		}
	})
}

// TestOverdueIsToldAgain holds that a service which could not be removed is not left for as long again.
func TestOverdueIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		m := newMonitor(t, &to)
		m.Start("c", Definition{TTL: time.Second, DeregisterAfter: time.Hour}, Result{Status: consulwire.Passing})
		after(time.Minute)
		to.refuse(errFull)
		after(time.Hour)
		to.refuse(nil)
		told := len(to.lateOnes())
		if told < 10 || told > 13 {
			t.Fatalf("told %d times in the first minute", told)
		}
		after(time.Minute)
		if again := len(to.lateOnes()) - told; again != 1 {
			t.Errorf("told %d times after it was taken", again)
		}
	})
}

// scripted is a probe that returns one status after the other, the last for good.
func scripted(statuses ...string) probe {
	return func(context.Context) Result {
		status := statuses[0]
		if len(statuses) > 1 {
			statuses = statuses[1:]
		}
		return Result{Status: status}
	}
}

func startProbe(m *Monitor, d Definition, p probe) {
	d.TCP = "127.0.0.1:1"
	m.startProbing("c", d, Result{Status: consulwire.Critical}, p)
}

func TestProbesAtItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		m := newMonitor(t, &to)
		startProbe(m, Definition{Interval: 10 * time.Second}, scripted("passing", "warning", "critical", "passing"))
		for _, want := range []string{"passing", "warning", "critical", "passing"} {
			after(time.Second)
			if got := to.last().Status; got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
			after(9 * time.Second)
		}
	})
}

func TestShortIntervalIsRaised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		m := newMonitor(t, &to)
		probes := 0
		startProbe(m, Definition{Interval: time.Nanosecond}, func(context.Context) Result {
			probes++
			return Result{Status: consulwire.Passing}
		})
		after(10 * time.Second)
		if probes < 9 || probes > 11 {
			t.Errorf("%d probes in 10 s, want one a second", probes)
		}
	})
}

func TestThresholds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		m := newMonitor(t, &to)
		d := Definition{Interval: time.Second, SuccessBeforePassing: 2, FailuresBeforeWarning: 2, FailuresBeforeCritical: 3}
		startProbe(m, d, scripted("passing", "critical", "critical", "critical", "passing", "critical", "passing", "passing"))
		after(20 * time.Second)
		if got := to.statuses(); !slices.Equal(got, []string{"passing", "warning", "critical", "passing"}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestProbeIsBoundedAndCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		m := newMonitor(t, &to)
		hangs := func(ctx context.Context) Result {
			<-ctx.Done()
			return critical(ctx.Err())
		}
		startProbe(m, Definition{Interval: time.Second, Timeout: 3 * time.Second}, hangs)
		after(5 * time.Second)
		if got := to.last(); got.Output != context.DeadlineExceeded.Error() {
			t.Fatalf("got %+v", got)
		}
		m.Close() // while the next probe hangs
		if got := len(to.statuses()); got != 1 {
			t.Errorf("told %d results, want 1: none of the probe that was cut off", got)
		}
		m.Start("late", Definition{TTL: time.Second}, Result{})
	})
}

func TestOutputIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		m := newMonitor(t, &to)
		m.Start("c", Definition{TTL: time.Second}, Result{Status: consulwire.Critical})
		renew(t, m, consulwire.Passing, strings.Repeat("ä", MaxOutput))
		got := to.last().Output
		if !strings.HasSuffix(got, "ä ... (captured 4096 of 8192 bytes)") || len(got) > MaxOutput+64 {
			t.Errorf("output of %d bytes ends in %q", len(got), got[len(got)-50:])
		}
		m.Start("c", Definition{TTL: time.Second, OutputMax: 3}, Result{Status: consulwire.Critical})
		renew(t, m, consulwire.Passing, "ääää")
		if got := to.last().Output; got != "ä ... (captured 2 of 8 bytes)" {
			t.Errorf("got %q", got)
		}
	})
}
