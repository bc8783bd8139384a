package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/rollout"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fleet is a service of instances that are only names. Each of its methods takes a second.
type fleet struct {
	t       *testing.T
	old     []rollout.Instance
	running []string // what is there, in the order of starting; "r" is rehearsed, "c…" a canary, "n…" new, "o…" old
	least   int      // the fewest that were registered at any time
	weight  int      // of the canary
	surplus int      // of the old ones
	started int
	act     func(step string) error // may fail a step, or end a context
}

func newFleet(t *testing.T, old, weight int) *fleet {
	f := &fleet{t: t, least: old, act: func(string) error { return nil }}
	for n := range old {
		id := fmt.Sprint("o", n+1)
		f.old = append(f.old, rollout.Instance{ID: id, Label: id, Weight: weight})
		f.running = append(f.running, id)
	}
	return f
}

// take is a step: it takes a second, unless its context ends before.
func (f *fleet) take(ctx context.Context, step string) error {
	if err := f.act(step); err != nil {
		return err
	}
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fleet) count() {
	serving := len(f.running)
	if slices.Contains(f.running, "r") {
		serving--
	}
	f.least = min(f.least, serving)
}

func (f *fleet) Running(ctx context.Context) ([]rollout.Instance, int, error) {
	return f.old, len(f.old) - f.surplus, f.take(ctx, "look")
}

func (f *fleet) Rehearse(ctx context.Context) (rollout.Instance, func(context.Context) error, error) {
	if err := f.take(ctx, "rehearse"); err != nil {
		return rollout.Instance{}, nil, err
	}
	in := rollout.Instance{ID: "r", Label: "r"}
	f.running = append(f.running, "r")
	return in, func(ctx context.Context) error { return f.Drain(ctx, in) }, nil
}

func (f *fleet) Start(ctx context.Context, weight int) (rollout.Instance, error) {
	id := "c"
	if weight == 0 {
		id = fmt.Sprint("n", f.started+1)
	}
	if err := f.take(ctx, "start "+id); err != nil {
		return rollout.Instance{}, err
	}
	if weight == 0 {
		f.started++
	} else {
		f.weight = weight
	}
	f.running = append(f.running, id)
	return rollout.Instance{ID: id, Label: id, Weight: weight}, nil
}

func (f *fleet) Drain(ctx context.Context, in rollout.Instance) error {
	if err := f.take(ctx, "drain "+in.ID); err != nil && !errors.Is(err, rollout.ErrKilled) {
		return err
	} else if f.running = slices.DeleteFunc(f.running, func(id string) bool { return id == in.ID }); err != nil {
		f.count()
		return err
	}
	f.count()
	return nil
}

func (f *fleet) left() string { return strings.Join(f.running, " ") }

// counting has all instances count a hundred calls a second; of the canary's so many of a hundred fail.
func counting(failing uint64, took time.Duration) func(context.Context, rollout.Instance) (rollout.Sample, error) {
	began := make(map[string]time.Time)
	return func(_ context.Context, in rollout.Instance) (rollout.Sample, error) {
		if began[in.ID].IsZero() {
			began[in.ID] = time.Now()
		}
		n := 100 * uint64(time.Since(began[in.ID]).Seconds())
		s := rollout.Sample{Calls: n, Timed: n, Total: time.Duration(n) * 2 * time.Millisecond, Buckets: []rollout.Bucket{{UpTo: 5 * time.Millisecond, Count: n}}}
		if in.ID == "c" {
			s.Failed = n / 100 * failing
			s.Total = time.Duration(n) * took
			s.Buckets = []rollout.Bucket{{UpTo: took, Count: n}}
		}
		return s, nil
	}
}

// full is a plan with everything.
func full() rollout.Plan {
	return rollout.Plan{
		Check:  func(context.Context, rollout.Instance, rollout.Instance) error { return nil },
		Canary: 0.1, Measure: counting(0, 2*time.Millisecond),
	}
}

func TestUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, plan := newFleet(t, 3, 100), full()
		var told []string
		plan.Observe = func(e rollout.Event) { told = append(told, e.String()) }
		if err := rollout.Run(t.Context(), f, plan); err != nil {
			t.Fatal(err)
		}
		if f.left() != "n1 n2 n3" || f.least < 3 || f.weight != 33 {
			t.Errorf("left are %q, at least there were %d, and the canary had weight %d", f.left(), f.least, f.weight)
		}
		want := []string{
			"3 instances of the old version, which serve on until the new ones do",
			"the new version serves at , where nobody calls it, after 1s",
			"its API breaks no caller of the old version",
			"c is passing at  and takes 9.91% of the calls for 30s",
			"c does no worse: 0 of 2900 calls failed, of the old instances' 0 of 9300; a call takes 2ms at the mean, theirs 2ms",
			"n1 is passing at  after 1s (1 of 3)", "n2 is passing at  after 1s (2 of 3)", "n3 is passing at  after 1s (3 of 3)",
			"c has drained in 1s (1 of 4)", "o1 has drained in 1s (2 of 4)", "o2 has drained in 1s (3 of 4)", "o3 has drained in 1s (4 of 4)",
			"done in 41s: 3 instances of the new version",
		}
		if !slices.Equal(told, want) {
			t.Errorf("told is\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
		}
	})
}

// What a killed upgrade has left is replaced with all others, by as many as there were.
func TestAfterOneThatWasKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, plan := newFleet(t, 3, 100), full()
		f.surplus = 1
		var told []string
		plan.Observe = func(e rollout.Event) { told = append(told, e.String()) }
		if err := rollout.Run(t.Context(), f, plan); err != nil {
			t.Fatal(err)
		}
		if f.left() != "n1 n2" || f.least < 2 {
			t.Errorf("left are %q, and at least there were %d", f.left(), f.least)
		}
		if want := "3 instances, of which an upgrade that was killed has left 1 too many; all serve on until 2 of the new version do"; told[0] != want {
			t.Errorf("told is %q, want %q", told[0], want)
		}
	})
}

// TestEveryFailure fails each step, and ends the context in each, of an upgrade of two instances.
func TestEveryFailure(t *testing.T) {
	const whole, upgraded = "o1 o2", "n1 n2"
	broken := errors.New("broken")
	for _, test := range []struct {
		step       string
		fails      string // what is there when it fails
		interrupts string // what is there when the context ends in it; it is no error once it is upgraded
	}{
		{"look", whole, whole},
		{"rehearse", whole, whole},
		{"drain r", whole + " r", whole},
		{"start c", whole, whole},
		{"start n1", whole, whole},
		{"start n2", whole, whole},
		{"drain c", "c " + upgraded, upgraded},
		{"drain o1", "o1 " + upgraded, upgraded},
		{"drain o2", "o2 " + upgraded, upgraded},
	} {
		run := func(name, want string, act func(cancel func()) error, judge func(t *testing.T, err error)) {
			t.Run(test.step+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					f := newFleet(t, 2, 100)
					f.act = func(step string) error {
						if step == test.step {
							return act(cancel)
						}
						return nil
					}
					err := rollout.Run(ctx, f, full())
					judge(t, err)
					if f.left() != want || f.least < 2 {
						t.Errorf("left are %q, want %q; at least there were %d", f.left(), want, f.least)
					}
				})
			})
		}
		run("fails", test.fails, func(func()) error { return broken }, func(t *testing.T, err error) {
			failed, ok := errors.AsType[*rollout.Error](err)
			if !ok || !errors.Is(err, broken) || failed.Upgraded != strings.Contains(test.fails, "n1") || len(failed.Serving) != 2 {
				t.Errorf("Run = %#v", err)
			}
			if ok && (len(failed.Left) > 0) != (test.fails != whole) {
				t.Errorf("left are told to be %v", failed.Left)
			}
		})
		run("is interrupted", test.interrupts, func(cancel func()) error { cancel(); return nil }, func(t *testing.T, err error) {
			if test.interrupts == upgraded && err != nil || test.interrupts == whole && !errors.Is(err, context.Canceled) {
				t.Errorf("Run = %v", err)
			}
		})
	}
}

func TestInterruptOfTheJudgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		f := newFleet(t, 2, 100)
		err := rollout.Run(ctx, f, full())
		if !errors.Is(err, context.DeadlineExceeded) || f.left() != "o1 o2" {
			t.Errorf("Run = %v, left are %q", err, f.left())
		}
	})
}

// A second interrupt ends what is done after the first at once, and says what may be there.
func TestKill(t *testing.T) {
	for step, want := range map[string]string{"start n2": "o1 o2 c n1", "drain o1": "o1 o2 n1 n2"} {
		t.Run(step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				f, plan := newFleet(t, 2, 100), full()
				kill := make(chan struct{})
				plan.Kill = kill
				f.act = func(at string) error {
					if at == step {
						cancel()
						close(kill)
						synctest.Wait()
					}
					return nil
				}
				err := rollout.Run(ctx, f, plan)
				failed, ok := errors.AsType[*rollout.Error](err)
				if !ok || len(failed.Left) != 2 || f.left() != want {
					t.Errorf("Run = %v, left are %q, want %q", err, f.left(), want)
				}
			})
		})
	}
}

func TestIncompatible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, plan := newFleet(t, 1, 1), full()
		plan.Canary = 0
		plan.Check = func(_ context.Context, old, fresh rollout.Instance) error {
			return &rollout.IncompatibleError{Findings: []string{old.ID + " has what " + fresh.ID + " has not"}}
		}
		err := rollout.Run(t.Context(), f, plan)
		if found, ok := errors.AsType[*rollout.IncompatibleError](err); !ok || found.Findings[0] != "o1 has what r has not" || f.left() != "o1" {
			t.Errorf("Run = %v, left are %q", err, f.left())
		}
	})
}

func TestNothingRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := rollout.Run(t.Context(), newFleet(t, 0, 1), rollout.Plan{}); !errors.Is(err, rollout.ErrNothingRuns) {
			t.Errorf("Run = %v", err)
		}
	})
}

// What is killed is gone: an upgrade goes on, and says in the end that calls were lost.
func TestKilledInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, 1)
		f.act = func(step string) error {
			if step == "drain o1" {
				return rollout.ErrKilled
			}
			return nil
		}
		err := rollout.Run(t.Context(), f, rollout.Plan{})
		failed, ok := errors.AsType[*rollout.Error](err)
		if !ok || !failed.Upgraded || len(failed.Left) > 0 || !errors.Is(err, rollout.ErrKilled) || f.left() != "n1 n2" {
			t.Errorf("Run = %v, left are %q", err, f.left())
		}
	})
}

func TestJudgement(t *testing.T) {
	silent := func(after int, measure func(context.Context, rollout.Instance) (rollout.Sample, error)) func(context.Context, rollout.Instance) (rollout.Sample, error) {
		return func(ctx context.Context, in rollout.Instance) (rollout.Sample, error) {
			if in.ID == "c" {
				if after--; after < 0 {
					return rollout.Sample{}, errors.New("connection refused")
				}
			}
			return measure(ctx, in)
		}
	}
	again := func(ctx context.Context, in rollout.Instance) (rollout.Sample, error) {
		if in.ID == "c" {
			return rollout.Sample{Calls: uint64(60 - time.Now().Second())}, nil
		}
		return counting(0, 0)(ctx, in)
	}
	for name, test := range map[string]struct {
		measure func(context.Context, rollout.Instance) (rollout.Sample, error)
		want    string
	}{
		"good":           {counting(0, 2*time.Millisecond), ""},
		"errors":         {counting(30, 2*time.Millisecond), "c does worse: 30 of 100 calls failed (30%), of the old instances' 0 of 600 (0%)"},
		"slow":           {counting(0, 40*time.Millisecond), "c does worse: a call takes 40ms at the mean of 100, the old instances' 2ms of 600"},
		"slow but short": {counting(0, 8*time.Millisecond), ""},
		"silent":         {silent(3, counting(0, time.Millisecond)), "c does worse: it does not tell what it counts: connection refused"},
		"never heard":    {silent(0, counting(0, time.Millisecond)), "c does worse: it does not tell"},
		"began anew":     {again, "c does worse: its process began anew"},
		"no calls": {func(context.Context, rollout.Instance) (rollout.Sample, error) {
			return rollout.Sample{}, nil
		}, "c had 0 calls and the old instances 0: a judgement takes 50 of each"},
		"no counters": {func(context.Context, rollout.Instance) (rollout.Sample, error) {
			return rollout.Sample{}, errors.New("404 Not Found")
		}, "o1 does not tell what it counts: 404 Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, plan := newFleet(t, 2, 100), full()
				plan.Measure = test.measure
				err := rollout.Run(t.Context(), f, plan)
				left := "n1 n2"
				if test.want != "" {
					left = "o1 o2"
				}
				if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) || f.left() != left {
					t.Errorf("Run = %v, left are %q; want %q", err, f.left(), test.want)
				}
			})
		})
	}
}

// TestChance has versions that are equally good, and others that are not, as few calls show them.
func TestChance(t *testing.T) {
	for _, test := range []struct {
		old, oldFailed, fresh, freshFailed uint64
		worse                              bool
	}{
		{1000, 0, 49, 49, false}, // too few
		{49, 0, 1000, 900, false},
		{1000, 0, 50, 4, false},
		{1000, 0, 50, 5, true},
		{1000, 20, 100, 5, false}, // 2 % against 5 %: that may be chance
		{1000, 20, 100, 9, true},
		{100_000, 1000, 10_000, 190, false}, // certain, but less than a percentage point
		{100_000, 1000, 10_000, 200, true},
		{1000, 300, 100, 30, false},
	} {
		c := rollout.Comparison{
			Old: rollout.Sample{Calls: test.old, Failed: test.oldFailed}, Fresh: rollout.Sample{Calls: test.fresh, Failed: test.freshFailed},
		}
		if got := c.Worse(); (got != "") != test.worse {
			t.Errorf("%d of %d against %d of %d: %q, want worse: %v", test.freshFailed, test.fresh, test.oldFailed, test.old, got, test.worse)
		}
	}
	// One call of ten seconds among fifty is an accident, all of 50 ms are not.
	old := rollout.Sample{Calls: 1000, Timed: 1000, Total: 2 * time.Second, Buckets: []rollout.Bucket{{UpTo: 5 * time.Millisecond, Count: 1000}}}
	for _, test := range []struct {
		fresh rollout.Sample
		worse bool
	}{
		{rollout.Sample{Calls: 50, Timed: 50, Total: 10 * time.Second, Buckets: []rollout.Bucket{{UpTo: 5 * time.Millisecond, Count: 49}, {UpTo: 10 * time.Second, Count: 1}}}, false},
		{rollout.Sample{Calls: 50, Timed: 50, Total: 2500 * time.Millisecond, Buckets: []rollout.Bucket{{UpTo: 50 * time.Millisecond, Count: 50}}}, true},
	} {
		c := rollout.Comparison{Old: old, Fresh: test.fresh}
		if got := c.Worse(); (got != "") != test.worse {
			t.Errorf("%v: %q, want worse: %v", &c, got, test.worse)
		}
	}
}

func TestShares(t *testing.T) {
	for _, test := range []struct {
		old, weight int
		share       float64
		want        int // weight of the canary; 0: it is an error
	}{
		{1, 100, 0.1, 11}, {3, 100, 0.1, 33}, {10, 100, 0.01, 10}, {9, 1, 0.1, 1}, {2, 0, 0.33, 1}, {1, 100, 0.5, 100},
		{3, 1, 0.1, 0}, {1, 1, 0.1, 0}, {1, 65535, 0.5, 65535}, {5, 65535, 0.5, 0}, {1, 100, 0.001, 0},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, plan := newFleet(t, test.old, test.weight), full()
				plan.Canary = test.share
				err := rollout.Run(t.Context(), f, plan)
				_, refused := errors.AsType[*rollout.ShareError](err)
				if refused != (test.want == 0) || err != nil && !refused || f.weight != test.want {
					t.Errorf("Run = %v, and the canary had weight %d, want %d", err, f.weight, test.want)
				}
			})
		})
	}
}
