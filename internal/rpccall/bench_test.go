package rpccall

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/pandakit/panda/internal/rpccall/rpccalltest"
)

func TestBenchOfEachKindOfMethod(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	for name, input := range map[string]string{
		"HelloService/SayHello": `{"name":"a"}`, "Count": `{"upto":3}`, "Sum": `{"value":1}{"value":2}`, "Chat": `{"text":"a"}{"text":"b"}`, "Upper": "",
	} {
		m, err := c.Bench(t.Context(), Request{Method: method(t, c, name), Input: NewInput(strings.NewReader(input), 100)},
			Load{Callers: 4, Calls: 101, WarmUp: time.Millisecond, Timeout: 10 * time.Second})
		if err != nil || m.Calls != 101 || m.Latency.Count() != 101 || len(m.Failed) != 0 || m.Duration <= 0 || m.Latency.Min() <= 0 {
			t.Errorf("%s: got %+v, %v", name, m, err)
		}
	}
}

func TestBenchCountsFailures(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	m, err := c.Bench(t.Context(), Request{Method: method(t, c, "Fail"), Input: NewInput(strings.NewReader(`{"code":5,"message":"\u001bno"}`), 100)},
		Load{Callers: 2, Calls: 10})
	want := []Failures{{codes.NotFound, 10, `\u001bno`}}
	if err != nil || m.Calls != 10 || m.Latency.Count() != 0 || !slices.Equal(m.Failed, want) {
		t.Errorf("got %+v, %v", m, err)
	}
	m, err = c.Bench(t.Context(), Request{Method: method(t, c, "Wait"), Input: NewInput(strings.NewReader(""), 100)},
		Load{Callers: 3, Calls: 3, Timeout: 5 * time.Millisecond})
	if err != nil || len(m.Failed) != 1 || m.Failed[0].Code != codes.DeadlineExceeded || m.Failed[0].Count != 3 {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestBenchEndsWithTheTime(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	m, err := c.Bench(t.Context(), Request{Method: method(t, c, "Upper"), Input: NewInput(strings.NewReader(`"a"`), 100)},
		Load{Callers: 2, For: 20 * time.Millisecond})
	if err != nil || m.Calls == 0 || m.Duration < 20*time.Millisecond {
		t.Errorf("got %+v, %v", m, err)
	}
}

// An interrupt ends calls under way, which then are nobody's failure, and what was measured is there.
func TestBenchIsInterrupted(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	m := method(t, c, "Wait")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	measured, err := c.Bench(ctx, Request{Method: m, Input: NewInput(strings.NewReader(""), 100)}, Load{Callers: 2, For: time.Hour})
	if !errors.Is(err, context.DeadlineExceeded) || measured == nil || measured.Calls != 0 {
		t.Errorf("got %+v, %v", measured, err)
	}
}

func TestBenchOfWrongInput(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	_, err := c.Bench(t.Context(), Request{Method: method(t, c, "Upper"), Input: NewInput(strings.NewReader(`{"a":1}`), 100)}, Load{Callers: 1, Calls: 1})
	if !asInputError(err) {
		t.Errorf("got %v", err)
	}
}

func TestHistogramQuantiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h, other Histogram
	var all []time.Duration
	for i := range 10_000 {
		d := time.Duration(random.ExpFloat64() * float64(time.Millisecond))
		if i%100 == 0 {
			d *= 1000
		}
		all = append(all, d)
		if i%2 == 0 {
			h.Add(d)
		} else {
			other.Add(d)
		}
	}
	h.merge(&other)
	slices.Sort(all)
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
		exact := all[min(max(int(q*float64(len(all))+0.5)-1, 0), len(all)-1)]
		if got := h.Quantile(q); got < exact || float64(got) > float64(exact)*(1+1.0/64)+1 {
			t.Errorf("quantile %v: got %v, want %v or a little more", q, got, exact)
		}
	}
	if h.Count() != len(all) || h.Max() != all[len(all)-1] || h.Min() != all[0] || h.Mean() <= 0 {
		t.Errorf("got %d, %v, %v, %v", h.Count(), h.Min(), h.Mean(), h.Max())
	}
	for _, n := range []int{1, 7, 20} {
		bars, sum := h.Bars(n), 0
		for i, b := range bars {
			sum += b.Count
			if i > 0 && b.UpTo <= bars[i-1].UpTo {
				t.Errorf("bars %d and %d end at %v and %v", i-1, i, bars[i-1].UpTo, b.UpTo)
			}
		}
		if len(bars) > n || len(bars) == 0 || sum != len(all) || bars[0].Count == 0 || bars[len(bars)-1].UpTo != h.Max() {
			t.Errorf("%d bars asked for: got %d with %d of %d durations: %v", n, len(bars), sum, len(all), bars)
		}
	}
}

func TestHistogramExtremes(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Mean() != 0 || h.Bars(5) != nil {
		t.Error("an empty histogram has values")
	}
	for _, d := range []time.Duration{-1, 0, 1, 63, 64, 127, 128, 129, 1<<62 - 1, 1<<63 - 1} {
		var one Histogram
		one.Add(d)
		if got := one.Quantile(1); got != max(d, 0) {
			t.Errorf("%d: got %d", d, got)
		}
	}
}
