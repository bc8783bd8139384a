package statistics_test

import (
	"math"
	"slices"
	"testing"

	"github.com/pandakit/panda/bench/internal/statistics"
)

func TestMedian(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   float64
	}{
		{"none", nil, math.NaN()},
		{"one", []float64{7}, 7},
		{"odd, unsorted", []float64{9, 1, 5}, 5},
		{"even", []float64{4, 1, 3, 2}, 2.5},
		{"an outlier does not move it", []float64{1, 1, 1, 1000}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := slices.Clone(test.values)
			if got := statistics.Median(test.values); !same(got, test.want) {
				t.Errorf("Median(%v) = %v, want %v", test.values, got, test.want)
			}
			if !slices.Equal(before, test.values) {
				t.Errorf("Median reordered its argument to %v", test.values)
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	values := []float64{50, 10, 40, 20, 30}
	tests := []struct {
		name    string
		values  []float64
		percent float64
		want    float64
	}{
		{"none", nil, 99, math.NaN()},
		{"lowest", values, 0, 10},
		{"quartile", values, 25, 20},
		{"interpolated", values, 90, 46},
		{"highest", values, 100, 50},
		{"over the end", values, 150, 50},
		{"under the start", values, -1, 10},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := statistics.Percentile(test.values, test.percent); !same(got, test.want) {
				t.Errorf("Percentile(%v, %v) = %v, want %v", test.values, test.percent, got, test.want)
			}
		})
	}
}

func TestRatios(t *testing.T) {
	tests := []struct {
		name         string
		values, base []float64
		want         []float64
	}{
		{"pairwise", []float64{2, 9}, []float64{1, 3}, []float64{2, 3}},
		{"a base of zero is left out", []float64{2, 9}, []float64{0, 3}, []float64{3}},
		{"an unpaired value is left out", []float64{2, 9}, []float64{4}, []float64{0.5}},
		{"not a number is left out", []float64{math.NaN(), 9}, []float64{1, 3}, []float64{3}},
		{"none", nil, nil, []float64{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := statistics.Ratios(test.values, test.base); !slices.Equal(got, test.want) {
				t.Errorf("Ratios(%v, %v) = %v, want %v", test.values, test.base, got, test.want)
			}
		})
	}
}

func TestSummarize(t *testing.T) {
	got := statistics.Summarize([]float64{1, 2, 3, 4, 100})
	want := statistics.Summary{Median: 3, Low: 2, High: 4, Samples: 5}
	if got != want {
		t.Errorf("Summarize = %+v, want %+v", got, want)
	}
}

func same(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) < 1e-9
}
