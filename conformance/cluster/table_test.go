package cluster_test

import (
	"fmt"
	"slices"
	"time"

	load "github.com/pandakit/panda/conformance/cluster"
)

// result is what one run of one drill has shown.
type result struct {
	drill         string
	reads, writes load.Count
	times         map[string]time.Duration
	samples       map[string][]time.Duration
}

func (r *result) sample(what string, took time.Duration) {
	r.samples[what] = append(r.samples[what], took)
}

var results []*result

func keep(r *result) { results = append(results, r) }

// summary tells the median and the largest.
func summary(all []time.Duration) string {
	if len(all) == 0 {
		return ""
	}
	all = slices.Sorted(slices.Values(all))
	return fmt.Sprintf("%s / %s", rounded(all[len(all)/2]), rounded(all[len(all)-1]))
}

func rounded(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

func writeTable() error { return nil }
