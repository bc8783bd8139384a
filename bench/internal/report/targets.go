package report

import (
	"fmt"
	"math"

	"github.com/pandakit/panda/bench/internal/measure"
	"github.com/pandakit/panda/bench/internal/statistics"
	"github.com/pandakit/panda/bench/internal/updates"
)

// What Panda is held to.
const (
	minOfTuned      = 0.97 // of the rate of equally tuned grpc-go
	minOfDefaults   = 1.15 // of the rate of grpc-go with defaults
	maxExtraAllocs  = 6.0  // per call, client and server together, above grpc-go
	minSlowShare    = 0.95 // of the healthy rate, with one instance of three slow
	maxUpdateAllocs = 10.0 // for an unchanged update of 1,000 instances: gRPC is not told
	maxBinary       = 1.3  // times grpc-go's
	maxResident     = 15e6 // bytes, idle
	maxFirstCall    = 2.0  // times grpc-go's
)

// targetCallers are the loads at which rates are held to targets.
var targetCallers = []int{64, 256}

// target is one demand and what came of it.
type target struct {
	what, want, measured string
	met                  bool
}

func atLeast(what string, want float64, got statistics.Summary) target {
	return target{what, fmt.Sprintf("≥ %.2f", want), ratio(got), got.Median >= want}
}

func atMost(what string, want float64, got float64, format string) target {
	return target{what, "≤ " + fmt.Sprintf(format, want), fmt.Sprintf(format, got), got <= want}
}

// targets returns the table of all targets that the run tells something of.
func targets(r Results) string {
	var all []target
	if r.Rounds != nil && r.Rounds.Has(measure.NamePanda) {
		all = append(all, roundTargets(r.Rounds)...)
	}
	for _, s := range r.Slow {
		if s.Policy.Stack.Name == measure.NamePanda {
			all = append(all, atLeast("rate with one slow instance of three, of the healthy rate", minSlowShare, share(s)))
		}
	}
	for _, c := range r.Updates {
		if c.Client == updates.NamePanda {
			all = append(all, atMost("allocations for an unchanged update of 1,000 instances", maxUpdateAllocs, c.Unchanged.Allocs, "%.0f"))
		}
	}
	all = append(all, startUpTargets(r.StartUps)...)
	if len(all) == 0 {
		return ""
	}
	t := table{title: "Targets", header: []string{"Panda", "target", "measured", ""}}
	for _, target := range all {
		t.rows = append(t.rows, []string{target.what, target.want, target.measured, verdict(target.met)})
	}
	return t.String()
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}

func roundTargets(r *measure.Rounds) []target {
	var all []target
	for _, pair := range []struct {
		stack, base, what string
		want              float64
	}{
		{measure.NamePanda, measure.NameTuned, "rate, of equally tuned grpc-go", minOfTuned},
		{measure.NamePandaCollected, measure.NameTunedCollected, "rate, of equally tuned grpc-go, both with " + measure.RareCollection, minOfTuned},
		{measure.NamePanda, measure.NameRaw, "rate, of grpc-go with defaults", minOfDefaults},
		{measure.NamePandaCollected, measure.NameRaw, "rate with " + measure.RareCollection + ", of grpc-go with defaults", minOfDefaults},
	} {
		for _, callers := range targetCallers {
			got := r.Ratio(pair.stack, pair.base, callers, rate)
			if got.Samples > 0 {
				all = append(all, atLeast(pair.what+", "+callersText(callers), pair.want, got))
			}
		}
	}
	callers := costLevel(r)
	extra := r.Summary(measure.NamePanda, callers, measure.Sample.Allocs).Median -
		r.Summary(measure.NameRaw, callers, measure.Sample.Allocs).Median
	return append(all, atMost("allocations a call above grpc-go, client and server", maxExtraAllocs, extra, "%.1f"))
}

func startUpTargets(all []measure.StartUp) []target {
	find := func(name string) (measure.StartUp, bool) {
		for _, s := range all {
			if s.Stack.Name == name {
				return s, true
			}
		}
		return measure.StartUp{}, false
	}
	panda, ok := find(measure.NamePanda)
	base, also := find(measure.NameRaw)
	if !ok || !also {
		return nil
	}
	times := func(panda, base []float64) float64 { return statistics.Median(statistics.Ratios(panda, base)) }
	found := []target{
		atMost("size of the stripped server, of grpc-go's", maxBinary, float64(panda.ServerBytes)/float64(base.ServerBytes), "%.2f"),
		atMost("server's time to its first call, of grpc-go's", maxFirstCall, times(panda.ServerFirst, base.ServerFirst), "%.2f"),
		atMost("client's time to its first call, of grpc-go's", maxFirstCall, times(panda.ClientFirst, base.ClientFirst), "%.2f"),
	}
	if resident := statistics.Median(panda.Resident); resident > 0 && !math.IsNaN(resident) {
		found = append(found, atMost("idle memory of the server, MB", maxResident/1e6, resident/1e6, "%.1f"))
	}
	return found
}
