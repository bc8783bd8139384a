// Package statistics summarises measurements: medians, percentiles and ratios of samples, and a
// histogram of latencies that costs the measured code no allocation. It measures nothing itself.
package statistics

import (
	"math"
	"slices"
)

// Median returns the middle value, the mean of the two middle ones when there is an even number, and NaN
// of none. It leaves values as they are.
func Median(values []float64) float64 { return Percentile(values, 50) }

// Percentile returns the value below which percent of the values lie, interpolated between the two
// nearest; percent is kept within 0 to 100. It is NaN of no values, and leaves values as they are.
func Percentile(values []float64, percent float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := min(max(percent, 0), 100) / 100 * float64(len(sorted)-1)
	below := int(rank)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (rank-float64(below))*(sorted[above]-sorted[below])
}

// Ratios divides pairwise: values[i] by base[i]. Pairs of which one is missing, not a number, or whose
// base is zero are left out.
func Ratios(values, base []float64) []float64 {
	ratios := make([]float64, 0, len(values))
	for i := range min(len(values), len(base)) {
		if ratio := values[i] / base[i]; base[i] != 0 && !math.IsNaN(ratio) {
			ratios = append(ratios, ratio)
		}
	}
	return ratios
}

// Summary is a median and how far the middle half of the samples spreads around it.
type Summary struct {
	Median, Low, High float64 // Low and High are the quartiles
	Samples           int
}

// Summarize returns the summary of the values; every number in it is NaN when there are none.
func Summarize(values []float64) Summary {
	return Summary{
		Median:  Median(values),
		Low:     Percentile(values, 25),
		High:    Percentile(values, 75),
		Samples: len(values),
	}
}
