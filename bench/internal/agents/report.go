package agents

import (
	"fmt"
	"strings"

	"github.com/pandakit/panda/bench/internal/statistics"
)

// unit says how a figure is written, and whether more of it is better.
type unit struct {
	scale  float64
	format string
	more   bool
}

// The units; figures are measured in seconds, bytes and calls a second.
var (
	milliseconds = unit{1e3, "%.1f ms", false}
	microseconds = unit{1e6, "%.0f µs", false}
	megabytes    = unit{1e-6, "%.1f MB", false}
	perSecond    = unit{1, "%.0f /s", true}
)

func (u unit) text(value float64) string { return fmt.Sprintf(u.format, value*u.scale) }

// better returns how many times better ours is, round by round.
func (f *figure) better() statistics.Summary {
	if f.unit.more {
		return statistics.Summarize(statistics.Ratios(f.ours, f.other))
	}
	return statistics.Summarize(statistics.Ratios(f.other, f.ours))
}

func report(rounds int, figures []*figure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Medians of %d rounds. The last columns say how many times better Panda's agent is in the same round (quartiles), and what it should be.\n\n", rounds)
	b.WriteString("| | Panda's agent | Consul 1.12.9 | better by | target | |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, f := range figures {
		ratio := f.better()
		met := "met"
		if ratio.Median < f.least {
			met = "**missed**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.1f (%.1f–%.1f) | ≥ %g | %s |\n", f.name,
			f.unit.text(statistics.Median(f.ours)), f.unit.text(statistics.Median(f.other)),
			ratio.Median, ratio.Low, ratio.High, f.least, met)
	}
	return b.String()
}
