package rollout

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	// judgeEvery is the time between two looks at the counters.
	judgeEvery = time.Second
	// maxSilent is how many times in a row an instance may not tell its counters.
	maxSilent = 3
	// maxWeight is the largest that Consul takes.
	maxWeight = 65535
)

// weight returns the canary's: with N old instances of weight w, and a share s, it is w·N·s/(1−s).
func (r *run) weight() (int, error) {
	if r.Canary == 0 {
		return 0, nil
	}
	total := 0
	for _, in := range r.old {
		total += max(in.Weight, 1)
	}
	exact := float64(total) * r.Canary / (1 - r.Canary)
	weight := int(min(max(math.Round(exact), 1), maxWeight))
	if got := r.share(weight, total); math.Abs(got-r.Canary) > r.Canary/2 {
		return 0, &ShareError{Wanted: r.Canary, Nearest: got, Old: len(r.old), Weight: total}
	}
	return weight, nil
}

func (r *run) share(weight, total int) float64 { return float64(weight) / float64(weight+total) }

// try starts the canary and returns once it has been judged to do no worse.
func (r *run) try(ctx context.Context) error {
	weight, err := r.weight()
	if err != nil || weight == 0 {
		return err
	}
	baseline, err := r.measureOld(ctx)
	if err != nil {
		return err
	}
	in, err := r.fleet.Start(ctx, weight)
	if err != nil {
		return err
	}
	r.canary = &in
	total := 0
	for _, old := range r.old {
		total += max(old.Weight, 1)
	}
	r.tell(Event{Kind: CanaryStarted, Instance: in, Share: r.share(weight, total), Time: r.CanaryTime})
	c, err := r.judge(ctx, in, baseline)
	if err != nil {
		return err
	}
	r.tell(Event{Kind: Judged, Instance: in, Comparison: c})
	return nil
}

// judge watches the canary for its time.
func (r *run) judge(ctx context.Context, canary Instance, baseline map[string]Sample) (*Comparison, error) {
	end := time.NewTimer(r.CanaryTime)
	defer end.Stop()
	look := time.NewTicker(judgeEvery)
	defer look.Stop()
	var last Sample // of the canary
	silent := 0
	for {
		over := false
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-end.C:
			over = true
		case <-look.C:
		}
		fresh, err := r.Measure(ctx, canary)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			if silent++; silent < maxSilent && !over {
				continue
			}
			return nil, &WorseError{Instance: canary, Reason: fmt.Sprintf("it does not tell what it counts: %v", err)}
		}
		silent = 0
		if fresh.Calls < last.Calls {
			return nil, &WorseError{Instance: canary, Reason: "its process began anew"}
		}
		last = fresh
		c := Comparison{Fresh: fresh, Old: r.sinceThen(ctx, baseline)}
		if reason := c.Worse(); reason != "" {
			return nil, &WorseError{Instance: canary, Reason: reason, Comparison: c}
		}
		if over && !c.Enough() {
			return nil, &UndecidedError{Instance: canary, Comparison: c}
		}
		if over {
			return &c, nil
		}
	}
}

// measureOld takes the counters of the old instances before the canary is there. One that tells nothing is left out;
// when none does, there is nothing to compare with.
func (r *run) measureOld(ctx context.Context) (map[string]Sample, error) {
	all := make(map[string]Sample, len(r.old))
	var errs []error
	for _, in := range r.old {
		sample, err := r.Measure(ctx, in)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s does not tell what it counts: %w", in.Label, err))
			continue
		}
		all[in.ID] = sample
	}
	if len(all) == 0 {
		return nil, errors.Join(errs...)
	}
	return all, nil
}

// sinceThen returns what the old instances have counted since their baseline, together. One that tells nothing now, or
// has begun anew, counts nothing.
func (r *run) sinceThen(ctx context.Context, baseline map[string]Sample) Sample {
	var sum Sample
	for _, in := range r.old {
		before, known := baseline[in.ID]
		if !known {
			continue
		}
		now, err := r.Measure(ctx, in)
		if err != nil || now.Calls < before.Calls {
			continue
		}
		sum.add(now.since(before))
	}
	return sum
}
