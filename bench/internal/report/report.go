// Package report turns samples into Markdown: tables of medians, and a table of targets with what was
// met and what was missed. It measures nothing and writes no file but the block of a README that it is
// given.
package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/pandakit/panda/bench/internal/measure"
	"github.com/pandakit/panda/bench/internal/statistics"
	"github.com/pandakit/panda/bench/internal/updates"
)

// Results is all that a run measured. What was left out of the run is nil.
type Results struct {
	Machine  measure.Machine
	Config   measure.Config
	Took     time.Duration
	Rounds   *measure.Rounds
	Variants *measure.Rounds
	StartUps []measure.StartUp
	Slow     []measure.Slow
	Updates  []updates.Cost
}

// costCallers is the load at which costs per call are told.
const costCallers = 64

// Markdown returns the whole report, a blank line between its parts.
func Markdown(r Results) string {
	parts := []string{machine(r)}
	for _, rounds := range []*measure.Rounds{r.Rounds, r.Variants} {
		if rounds != nil {
			parts = append(parts, throughput(rounds), latency(rounds), costs(rounds))
		}
	}
	if r.StartUps != nil {
		parts = append(parts, startUps(r.StartUps))
	}
	if r.Slow != nil {
		parts = append(parts, slow(r.Slow))
	}
	if r.Updates != nil {
		parts = append(parts, updateCosts(r.Updates))
	}
	if table := targets(r); table != "" {
		parts = append(parts, table)
	}
	return strings.Join(parts, "\n")
}

func machine(r Results) string {
	m := r.Machine
	memory := ""
	if m.Memory > 0 {
		memory = fmt.Sprintf(", %.0f GiB of memory", float64(m.Memory)/(1<<30))
	}
	return fmt.Sprintf("%d cores%s, %s, %s. %d rounds, %v of load per sample after %v to warm up; the run took %v.\n",
		m.Cores, memory, m.Go, m.System, r.Config.Rounds, r.Config.Window, r.Config.Warm, r.Took.Round(time.Second))
}

func throughput(r *measure.Rounds) string {
	t := table{title: "Calls per second, as a multiple of grpc-go's in the same round (quartiles)", header: []string{"stack"}}
	for _, callers := range r.Callers {
		t.header = append(t.header, callersText(callers))
	}
	for _, stack := range r.Stacks {
		row := []string{stack.Name}
		for _, callers := range r.Callers {
			cell := ratio(r.Ratio(stack.Name, measure.NameRaw, callers, rate))
			if stack.Name == measure.NameRaw {
				cell = fmt.Sprintf("%.0f /s", r.Summary(stack.Name, callers, rate).Median)
			}
			row = append(row, cell)
		}
		t.rows = append(t.rows, row)
	}
	return t.String()
}

func latency(r *measure.Rounds) string {
	t := table{title: "Latency, p50 / p99 in µs", header: []string{"stack"}}
	for _, callers := range r.Callers {
		t.header = append(t.header, callersText(callers))
	}
	for _, stack := range r.Stacks {
		row := []string{stack.Name}
		for _, callers := range r.Callers {
			row = append(row, fmt.Sprintf("%.0f / %.0f",
				r.Summary(stack.Name, callers, p50).Median*1e6, r.Summary(stack.Name, callers, p99).Median*1e6))
		}
		t.rows = append(t.rows, row)
	}
	return t.String()
}

func costs(r *measure.Rounds) string {
	callers := costLevel(r)
	t := table{
		title: "Cost of a call at " + callersText(callers),
		header: []string{"stack", "processor, client and server", "against grpc-go (quartiles)",
			"allocations, client + server"},
	}
	for _, stack := range r.Stacks {
		t.rows = append(t.rows, []string{
			stack.Name,
			fmt.Sprintf("%.1f µs", r.Summary(stack.Name, callers, cpu).Median*1e6),
			ratio(r.Ratio(stack.Name, measure.NameRaw, callers, cpu)),
			fmt.Sprintf("%.1f + %.1f", r.Summary(stack.Name, callers, clientAllocs).Median,
				r.Summary(stack.Name, callers, serverAllocs).Median),
		})
	}
	return t.String()
}

func startUps(all []measure.StartUp) string {
	t := table{
		title: "A hello service before it does anything",
		header: []string{"stack", "stripped server / client", "idle memory of the server, and without its file's pages",
			"server: start to first call answered", "client: start to first call answered"},
	}
	for _, s := range all {
		t.rows = append(t.rows, []string{
			s.Stack.Name,
			fmt.Sprintf("%s / %s", megabytes(float64(s.ServerBytes)), megabytes(float64(s.ClientBytes))),
			megabytes(statistics.Median(s.Resident)) + ", " + megabytes(statistics.Median(s.Private)),
			milliseconds(statistics.Median(s.ServerFirst)),
			milliseconds(statistics.Median(s.ClientFirst)),
		})
	}
	return t.String()
}

func slow(all []measure.Slow) string {
	t := table{
		title: "Three instances, of which one takes 50 ms a call; 64 callers",
		header: []string{"balancing", "calls per second, all healthy", "one slow", "share (quartiles)",
			"p99, all healthy", "p99, one slow"},
	}
	for _, s := range all {
		t.rows = append(t.rows, []string{
			s.Policy.Name,
			fmt.Sprintf("%.0f", median(s.Healthy, rate)),
			fmt.Sprintf("%.0f", median(s.OneSlow, rate)),
			ratio(share(s)),
			milliseconds(median(s.Healthy, p99)),
			milliseconds(median(s.OneSlow, p99)),
		})
	}
	return t.String()
}

func updateCosts(all []updates.Cost) string {
	t := table{
		title:  "A client is told of its 1,000 instances again",
		header: []string{"client", "unchanged: time", "allocations", "one replaced: time", "allocations"},
	}
	for _, c := range all {
		t.rows = append(t.rows, []string{
			c.Client,
			milliseconds(c.Unchanged.Time.Seconds()), fmt.Sprintf("%.0f", c.Unchanged.Allocs),
			milliseconds(c.Changed.Time.Seconds()), fmt.Sprintf("%.0f", c.Changed.Allocs),
		})
	}
	return t.String()
}

// costLevel is costCallers, or the highest load of a run that left it out.
func costLevel(r *measure.Rounds) int {
	level := 0
	for _, callers := range r.Callers {
		if callers == costCallers {
			return callers
		}
		level = max(level, callers)
	}
	return level
}

func rate(s measure.Sample) float64         { return s.Rate }
func p50(s measure.Sample) float64          { return s.P50 }
func p99(s measure.Sample) float64          { return s.P99 }
func cpu(s measure.Sample) float64          { return s.CPU }
func clientAllocs(s measure.Sample) float64 { return s.ClientAllocs }
func serverAllocs(s measure.Sample) float64 { return s.ServerAllocs }

func numbers(samples []measure.Sample, number func(measure.Sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, sample := range samples {
		values[i] = number(sample)
	}
	return values
}

func median(samples []measure.Sample, number func(measure.Sample) float64) float64 {
	return statistics.Median(numbers(samples, number))
}

// share is the rate with one slow instance as a share of the rate with none, in the same round.
func share(s measure.Slow) statistics.Summary {
	return statistics.Summarize(statistics.Ratios(numbers(s.OneSlow, rate), numbers(s.Healthy, rate)))
}

func ratio(s statistics.Summary) string {
	if math.IsNaN(s.Median) {
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Low, s.High)
}

// megabytes is "–" of what the platform does not tell.
func megabytes(bytes float64) string {
	if bytes == 0 || math.IsNaN(bytes) {
		return "–"
	}
	return fmt.Sprintf("%.1f MB", bytes/1e6)
}

func milliseconds(seconds float64) string {
	switch ms := seconds * 1000; {
	case math.IsNaN(ms):
		return "–"
	case ms < 1:
		return fmt.Sprintf("%.3f ms", ms)
	default:
		return fmt.Sprintf("%.1f ms", ms)
	}
}

func callersText(n int) string {
	if n == 1 {
		return "1 caller"
	}
	return fmt.Sprintf("%d callers", n)
}

// table is a Markdown table under a line that says what it shows.
type table struct {
	title  string
	header []string
	rows   [][]string
}

func (t table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n\n", t.title)
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.header)
	rule := make([]string, len(t.header))
	for i := range rule {
		rule[i] = "---"
	}
	line(rule)
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}
