package call

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/rpccall"
)

// The defaults and bounds of a benchmark.
const (
	defaultCallers = 10
	defaultFor     = 10 * time.Second
	defaultWarmUp  = time.Second
	maxFor         = time.Hour
	maxWarmUp      = time.Minute
	maxCalls       = 1_000_000_000
)

const (
	barsShown = 16
	barWidth  = 40
)

// quantiles are those that a benchmark prints.
var quantiles = []struct {
	name  string
	share float64
}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}}

func (c *caller) checkLoad(given func(string) bool) error {
	load := &c.options.load
	switch {
	case load.Callers < 1 || load.Callers > rpccall.MaxCallers:
		return fmt.Errorf("--callers %d is not between 1 and %d", load.Callers, rpccall.MaxCallers)
	case load.For <= 0 || load.For > maxFor:
		return fmt.Errorf("--for %v is not more than 0 and at most %v", load.For, maxFor)
	case given("calls") && (load.Calls < 1 || load.Calls > maxCalls):
		return fmt.Errorf("--calls %d is not between 1 and %d", load.Calls, maxCalls)
	case load.WarmUp < 0 || load.WarmUp > maxWarmUp:
		return fmt.Errorf("--warm-up %v is not between 0 and %v", load.WarmUp, maxWarmUp)
	}
	if given("calls") && !given("for") {
		load.For = 0
	}
	load.Timeout = c.options.deadline
	return nil
}

// report is a benchmark in JSON.
type report struct {
	Service   string             `json:"service"`
	Method    string             `json:"method"`
	Callers   int                `json:"callers"`
	Calls     int                `json:"calls"`
	Seconds   float64            `json:"seconds"`
	Rate      float64            `json:"calls_per_second"`
	Latency   map[string]float64 `json:"latency_ms"` // of calls that ended with OK
	Histogram []reportBar        `json:"histogram"`
	Failed    []reportFailures   `json:"failed"`
}

type reportBar struct {
	UpTo  float64 `json:"up_to_ms"`
	Count int     `json:"count"`
}

type reportFailures struct {
	Code    string `json:"code"`
	Count   int    `json:"count"`
	Message string `json:"message"`
}

// bench makes the call over and over and prints what was measured, also when it was interrupted.
func (c *caller) bench(ctx context.Context, client *rpccall.Client, request rpccall.Request) error {
	measured, err := client.Bench(ctx, request, c.options.load)
	if measured == nil {
		return err
	}
	if c.options.json {
		if err := c.env.PrintJSON(c.report(request.Method, measured)); err != nil {
			return err
		}
	} else {
		c.print(measured)
	}
	failed := 0
	for _, f := range measured.Failed {
		failed += f.Count
	}
	switch {
	case err != nil:
		return err
	case measured.Calls == 0:
		return errors.New("no call ended")
	case failed > 0:
		return fmt.Errorf("%d of %d calls failed", failed, measured.Calls)
	}
	return nil
}

func rate(m *rpccall.Measured) float64 {
	if m.Duration <= 0 {
		return 0
	}
	return float64(m.Calls) / m.Duration.Seconds()
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func (c *caller) report(method *rpccall.Method, m *rpccall.Measured) report {
	h := &m.Latency
	r := report{
		Service: c.service, Method: method.String(), Callers: c.options.load.Callers, Calls: m.Calls,
		Seconds: m.Duration.Seconds(), Rate: rate(m), Histogram: []reportBar{}, Failed: []reportFailures{},
		Latency: map[string]float64{"min": milliseconds(h.Min()), "mean": milliseconds(h.Mean()), "max": milliseconds(h.Max())},
	}
	for _, q := range quantiles {
		r.Latency[q.name] = milliseconds(h.Quantile(q.share))
	}
	for _, b := range h.Bars(barsShown) {
		r.Histogram = append(r.Histogram, reportBar{milliseconds(b.UpTo), b.Count})
	}
	for _, f := range m.Failed {
		r.Failed = append(r.Failed, reportFailures{rpccall.CodeName(f.Code), f.Count, f.Message})
	}
	return r
}

func (c *caller) print(m *rpccall.Measured) {
	out := c.env.Stdout
	callers := strconv.Itoa(c.options.load.Callers) + " callers"
	if c.options.load.Callers == 1 {
		callers = "1 caller"
	}
	fmt.Fprintf(out, "calls    %d by %s in %s\n", m.Calls, callers, shown(m.Duration))
	fmt.Fprintf(out, "rate     %.1f calls/s\n", rate(m))
	h := &m.Latency
	if h.Count() > 0 {
		fmt.Fprintf(out, "latency  min %s, mean %s, max %s\n", shown(h.Min()), shown(h.Mean()), shown(h.Max()))
		var parts []string
		for _, q := range quantiles {
			parts = append(parts, q.name+" "+shown(h.Quantile(q.share)))
		}
		fmt.Fprintf(out, "         %s\n\n", strings.Join(parts, ", "))
		c.printBars(h.Bars(barsShown))
	}
	if len(m.Failed) > 0 {
		fmt.Fprintf(out, "\nfailed\n")
	}
	for _, f := range m.Failed {
		fmt.Fprintf(out, "%8d  %s: %s\n", f.Count, rpccall.CodeName(f.Code), strings.ReplaceAll(f.Message, "\n", " "))
	}
}

func (c *caller) printBars(bars []rpccall.Bar) {
	most := 0
	for _, b := range bars {
		most = max(most, b.Count)
	}
	for _, b := range bars {
		length := b.Count * barWidth / most
		if b.Count > 0 {
			length = max(length, 1)
		}
		line := fmt.Sprintf("%12s %8d  %s", "≤ "+shown(b.UpTo), b.Count, strings.Repeat("█", length))
		fmt.Fprintln(c.env.Stdout, strings.TrimRight(line, " "))
	}
}

// shown writes a duration with three digits.
func shown(d time.Duration) string {
	unit := time.Nanosecond
	for limit := time.Microsecond; limit <= d && unit < time.Hour; limit *= 10 {
		unit = limit / 100
	}
	return d.Round(unit).String()
}
