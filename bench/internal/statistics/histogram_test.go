package statistics_test

import (
	"math"
	"testing"
	"time"

	"github.com/pandakit/panda/bench/internal/statistics"
)

func TestHistogramQuantile(t *testing.T) {
	uniform := make([]time.Duration, 1000)
	for i := range uniform {
		uniform[i] = time.Duration(i+1) * time.Microsecond
	}
	tests := []struct {
		name      string
		latencies []time.Duration
		share     float64
		want      time.Duration
	}{
		{"none", nil, 0.5, 0},
		{"short ones are exact", []time.Duration{3, 3, 100}, 0.5, 3},
		{"negative counts as zero", []time.Duration{-5}, 1, 0},
		{"median", uniform, 0.5, 500 * time.Microsecond},
		{"99th percentile", uniform, 0.99, 990 * time.Microsecond},
		{"lowest", uniform, 0, time.Microsecond},
		{"highest", uniform, 1, time.Millisecond},
		{"seconds", []time.Duration{3 * time.Second}, 0.5, 3 * time.Second},
		{"endless counts as the longest", []time.Duration{math.MaxInt64}, 0.5, 1 << 41},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var h statistics.Histogram
			for _, latency := range test.latencies {
				h.Record(latency)
			}
			got := h.Quantile(test.share)
			if off := math.Abs(float64(got - test.want)); off > float64(test.want)*0.016 {
				t.Errorf("Quantile(%v) = %v, want %v within 1.6 %%", test.share, got, test.want)
			}
		})
	}
}

func TestHistogramAdd(t *testing.T) {
	var a, b statistics.Histogram
	a.Record(10)
	b.Record(20)
	b.Record(20)
	a.Add(&b)
	if a.Count() != 3 || a.Quantile(1) != 20 || a.Quantile(0) != 10 {
		t.Errorf("after Add: count %d, from %v to %v; want 3, from 10ns to 20ns", a.Count(), a.Quantile(0), a.Quantile(1))
	}
}

func TestHistogramRecordDoesNotAllocate(t *testing.T) {
	h := new(statistics.Histogram)
	if n := testing.AllocsPerRun(100, func() { h.Record(time.Millisecond) }); n != 0 {
		t.Errorf("Record allocates %v times a call", n)
	}
}
