package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/bench/internal/measure"
	"github.com/pandakit/panda/bench/internal/updates"
)

// results returns a run of two rounds in which Panda makes the given multiple of grpc-go's rate, and what
// goes beside it meets every target.
func results(multiple float64) Results {
	stacks := []measure.Stack{
		{Name: measure.NameRaw}, {Name: measure.NameTuned}, {Name: measure.NamePanda},
		{Name: measure.NameTunedCollected}, {Name: measure.NamePandaCollected},
	}
	rounds := measure.NewRounds(stacks, []int{1, 64, 256})
	for _, callers := range rounds.Callers {
		for _, drift := range []float64{1, 2} {
			rounds.Add(measure.NameRaw, callers, measure.Sample{Rate: 1000 * drift, P50: 1e-3, P99: 5e-3, CPU: 40e-6, ClientAllocs: 80, ServerAllocs: 50})
			rounds.Add(measure.NameTuned, callers, measure.Sample{Rate: 1200 * drift, CPU: 30e-6})
			rounds.Add(measure.NamePanda, callers, measure.Sample{Rate: 1000 * drift * multiple, CPU: 32e-6, ClientAllocs: 82, ServerAllocs: 53})
			rounds.Add(measure.NameTunedCollected, callers, measure.Sample{Rate: 1250 * drift})
			rounds.Add(measure.NamePandaCollected, callers, measure.Sample{Rate: 1250 * drift})
		}
	}
	return Results{
		Machine: measure.Machine{Cores: 2, Memory: 4 << 30, Go: "go1.26", System: "linux/amd64"},
		Config:  measure.Config{Rounds: 2, Window: time.Second, Warm: time.Second},
		Rounds:  rounds,
		StartUps: []measure.StartUp{
			{Stack: stacks[0], ServerBytes: 10e6, ClientBytes: 10e6, ServerFirst: []float64{0.01}, ClientFirst: []float64{0.01}, Resident: []float64{10e6}},
			{Stack: stacks[2], ServerBytes: 12e6, ClientBytes: 12e6, ServerFirst: []float64{0.015}, ClientFirst: []float64{0.015}, Resident: []float64{14e6}, Private: []float64{3e6}},
		},
		Slow: []measure.Slow{{
			Policy:  measure.Policy{Name: "Panda", Stack: stacks[2]},
			Healthy: []measure.Sample{{Rate: 100}, {Rate: 1000}},
			OneSlow: []measure.Sample{{Rate: 97}, {Rate: 970}},
		}},
		Updates: []updates.Cost{{Client: updates.NamePanda, Unchanged: updates.PerUpdate{Allocs: 0, Time: time.Microsecond}}},
	}
}

func TestMarkdownMeetsTargets(t *testing.T) {
	text := Markdown(results(1.2))
	for _, want := range []string{
		"2 cores, 4 GiB of memory, go1.26, linux/amd64.",
		"| stack | 1 caller | 64 callers | 256 callers |",
		"| grpc-go | 1500 /s | 1500 /s | 1500 /s |",
		"| Panda | 1.20 (1.20–1.20) | 1.20 (1.20–1.20) | 1.20 (1.20–1.20) |",
		"| grpc-go | 1000 / 5000 |",
		"| Panda | 32.0 µs | 0.80 (0.80–0.80) | 82.0 + 53.0 |",
		"| Panda | 12.0 MB / 12.0 MB | 14.0 MB, 3.0 MB | 15.0 ms | 15.0 ms |",
		"| rate, of grpc-go with defaults, 64 callers | ≥ 1.15 | 1.20 (1.20–1.20) | met |",
		"| rate, of equally tuned grpc-go, both with GOGC=400, 64 callers | ≥ 0.97 | 1.00 (1.00–1.00) | met |",
		"| rate with GOGC=400, of grpc-go with defaults, 256 callers | ≥ 1.15 | 1.25 (1.25–1.25) | met |",
		"| allocations a call above grpc-go, client and server | ≤ 6.0 | 5.0 | met |",
		"| rate with one slow instance of three, of the healthy rate | ≥ 0.95 | 0.97 (0.97–0.97) | met |",
		"| size of the stripped server, of grpc-go's | ≤ 1.30 | 1.20 | met |",
		"| idle memory of the server, MB | ≤ 15.0 | 14.0 | met |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("report lacks %q", want)
		}
	}
	if strings.Contains(text, "missed") {
		t.Error("report says that a target was missed")
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestMarkdownNamesWhatMisses(t *testing.T) {
	r := results(1.1)
	r.Updates[0].Unchanged.Allocs = 15_000
	r.StartUps[1].ServerFirst = []float64{0.03}
	r.StartUps[1].Resident = []float64{20e6}
	text := Markdown(r)
	for _, want := range []string{
		"| rate, of equally tuned grpc-go, 64 callers | ≥ 0.97 | 0.92 (0.92–0.92) | **missed** |",
		"| rate, of grpc-go with defaults, 256 callers | ≥ 1.15 | 1.10 (1.10–1.10) | **missed** |",
		"| allocations for an unchanged update of 1,000 instances | ≤ 10 | 15000 | **missed** |",
		"| server's time to its first call, of grpc-go's | ≤ 2.00 | 3.00 | **missed** |",
		"| client's time to its first call, of grpc-go's | ≤ 2.00 | 1.50 | met |",
		"| idle memory of the server, MB | ≤ 15.0 | 20.0 | **missed** |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("report lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestMarkdownOfPartOfARun(t *testing.T) {
	r := results(1.2)
	r.StartUps, r.Slow, r.Updates = nil, nil, nil
	r.Rounds = measure.NewRounds([]measure.Stack{{Name: measure.NameRaw}}, []int{3})
	r.Rounds.Add(measure.NameRaw, 3, measure.Sample{Rate: 10, ClientAllocs: 1})
	text := Markdown(r)
	if !strings.Contains(text, "Cost of a call at 3 callers") || strings.Contains(text, "Targets") || strings.Contains(text, "NaN") {
		t.Errorf("report of grpc-go alone at 3 callers:\n%s", text)
	}
}

func TestUpdate(t *testing.T) {
	const readme = "# Title\n\n<!-- results: begin -->\nold\n<!-- results: end -->\nafter\n"
	tests := []struct {
		name, text, want, err string
	}{
		{"replaces the block", readme, "# Title\n\n<!-- results: begin -->\n\nnew\n\n<!-- results: end -->\nafter\n", ""},
		{"no marks", "# Title\n", "", "not both there"},
		{"no end", "<!-- results: begin -->\n", "", "not both there"},
		{"end before the beginning", "<!-- results: end -->\n<!-- results: begin -->\n", "", "not both there"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "README.md")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			err := Update(file, "results", "new\n")
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want one about %q", err, test.err)
				}
				test.want = test.text
			} else if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(file); err != nil || string(got) != test.want {
				t.Errorf("file is %q, %v; want %q", got, err, test.want)
			}
		})
	}
	if err := Update(filepath.Join(t.TempDir(), "absent"), "results", ""); err == nil {
		t.Error("no error for a file that is not there")
	}
}
