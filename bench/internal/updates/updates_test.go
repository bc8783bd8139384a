package updates_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/bench/internal/updates"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMeasure(t *testing.T) {
	const instances = 20
	costs, err := updates.Measure(t.Context(), instances, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(costs) != 2 || costs[0].Client != updates.NamePanda || costs[1].Client != updates.NameRoundRobin {
		t.Fatalf("costs of %+v, want of Panda and of round_robin", costs)
	}
	for _, c := range costs {
		if c.Changed.Allocs < instances || c.Changed.Time <= 0 {
			t.Errorf("%s: a changed update costs %+v, want something for each instance", c.Client, c.Changed)
		}
	}
	if c := costs[1]; c.Unchanged.Allocs < instances {
		t.Errorf("%s: an unchanged update allocates %v; it did not reach gRPC", c.Client, c.Unchanged.Allocs)
	}
}
