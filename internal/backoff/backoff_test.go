package backoff_test

import (
	"testing"
	"time"

	"github.com/pandakit/panda/internal/backoff"
)

func TestDelayGrowsWithinItsBounds(t *testing.T) {
	t.Parallel()
	p := backoff.Policy{Base: 100 * time.Millisecond, Max: time.Second, Factor: 2, Jitter: 0.2}
	for attempt, middle := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		middle *= time.Millisecond
		for range 100 {
			d := p.Delay(attempt)
			if low, high := middle*8/10, min(middle*12/10, p.Max); d < low || d > high {
				t.Fatalf("Delay(%d) = %v, want between %v and %v", attempt, d, low, high)
			}
		}
	}
	if d := p.Delay(1_000_000); d > p.Max || d <= 0 {
		t.Errorf("Delay of a huge attempt = %v, want within (0, %v]", d, p.Max)
	}
	if d := p.Delay(-1); d <= 0 {
		t.Errorf("Delay(-1) = %v, want a positive delay", d)
	}
}
