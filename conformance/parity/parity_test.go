package parity

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/internal/agent"
)

var update = flag.Bool("update", false, "write the table in docs/reference anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// table is what docs/reference holds.
var table = filepath.FromSlash("../../docs/reference/consul-api.md")

// areas are in the order of the table.
func areas() []area {
	return []area{
		{name: "status", cases: statusCases()},
		{name: "kv", cases: kvCases()},
		{name: "session", cases: sessionCases()},
		{name: "txn", cases: txnCases()},
		{name: "catalog", cases: catalogCases()},
		{name: "health", cases: healthCases()},
		{name: "agent", cases: agentCases()},
		{name: "event", cases: eventCases()},
		{name: "operator", cases: operatorCases()},
		{name: "snapshot", cases: snapshotCases()},
		{name: "checks", cases: checksCases()},
		{name: "definitions", cases: definitionsCases()},
		{name: "mesh", cases: meshCases(), consul: []string{"connect { enabled = false }"}},
	}
}

const node = "n1"

// longestRequest is how much of a request the table shows, in bytes.
const longestRequest = 100

func TestParity(t *testing.T) {
	all := areas()
	lines := make([][]string, len(all))
	t.Run("areas", func(t *testing.T) {
		for n, a := range all {
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				ours, theirs := startOurs(t), startTheirs(t, a.consul)
				for _, c := range a.cases {
					t.Run(strings.ReplaceAll(c.Name, " ", "_"), func(t *testing.T) {
						lines[n] = append(lines[n], run(t, c, ours, theirs))
					})
				}
			})
		}
	})
	if t.Failed() || partial() {
		return
	}
	var page strings.Builder
	page.WriteString(heading)
	for n, a := range all {
		fmt.Fprintf(&page, "\n## %s\n\n| request | case | |\n|---|---|---|\n%s", a.name, strings.Join(lines[n], ""))
	}
	compareTable(t, page.String())
}

// partial reports whether -run chose some of the cases.
func partial() bool {
	chosen := flag.Lookup("test.run").Value.String()
	return strings.Contains(chosen, "/")
}

const heading = `# Consul's HTTP API: Panda's agent beside Consul 1.12.9

Each line is a sequence of requests that the tests send to both. Status, headers and JSON are the same where the last
column says "same"; where it does not, it says what differs and why. The page is written by the tests in conformance/parity.
`

func compareTable(t *testing.T, page string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(table), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(table, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(table)
	if err != nil || string(written) != page {
		t.Errorf("%s is stale (%v): run go test ./parity -update in conformance", table, err)
	}
}

// run sends the case to both and returns its line of the table.
func run(t *testing.T, c Case, ours, theirs *side) string {
	ours, theirs = ours.fresh(), theirs.fresh()
	var explained []string
	for n, step := range c.Steps {
		differ(t, n, step, ours, theirs)
		if step.Differs != "" {
			explained = append(explained, step.Differs)
		}
	}
	result := "same"
	if len(explained) > 0 {
		result = strings.Join(explained, "; ")
	}
	request, _, _ := strings.Cut(c.Steps[len(c.Steps)-1].Do, "?")
	if len(request) > longestRequest {
		request = request[:longestRequest] + "…"
	}
	return fmt.Sprintf("| `%s` | %s | %s |\n", request, c.Name, result)
}

func differ(t *testing.T, n int, step Step, ours, theirs *side) {
	t.Helper()
	type outcome struct {
		answers []answer
		err     error
	}
	other := make(chan outcome, 1)
	go func() {
		got, err := theirs.do(t.Context(), step)
		other <- outcome{got, err}
	}()
	mine, err := ours.do(t.Context(), step)
	consuls := <-other
	if err != nil || consuls.err != nil {
		t.Fatalf("step %d, %s:\nours:   %v\nConsul: %v", n+1, step.Do, err, consuls.err)
	}
	same := true
	for i := range mine {
		if got, want := mine[i].String(), consuls.answers[i].String(); got != want {
			if same = false; step.Differs == "" {
				t.Errorf("step %d, %s: ours:\n%s\nConsul:\n%s", n+1, step.Do, got, want)
			}
		}
	}
	if same && step.Differs != "" {
		t.Errorf("step %d, %s: there is no difference to explain by %q", n+1, step.Do, step.Differs)
	}
}

func (s *side) fresh() *side {
	return &side{url: s.url, client: s.client, normal: normalizer{replace: s.normal.replace}, kept: map[string]string{"node": node}}
}

func newClient(t *testing.T) *http.Client {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func startOurs(t *testing.T) *side {
	t.Helper()
	a, err := agent.New(agent.Config{HTTPAddr: "127.0.0.1:0", Node: node, Pretty: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return &side{url: a.URL(), client: newClient(t), normal: normalizer{replace: strings.NewReplacer(
		a.Addr().String(), "<http>", agent.Version, "<version>", "127.0.0.1:8300", "<server>",
	)}}
}

func startTheirs(t *testing.T, hcl []string) *side {
	t.Helper()
	a := realconsul.Start(t, realconsul.Options{Node: node, HCL: hcl})
	return &side{url: "http://" + a.Address(), client: newClient(t), normal: normalizer{replace: strings.NewReplacer(
		a.Address(), "<http>", "1.12.9", "<version>", a.Server(), "<server>",
	)}}
}
