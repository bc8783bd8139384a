package clients

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	// envSuite names the variable that asks for HashiCorp's own tests: it takes five minutes. Its value is "1", or
	// a pattern of the tests to run, as for -run.
	envSuite = "PANDA_CLIENTS_SUITE"
	// envSuiteConsul names the variable with the path of a consul to judge instead of panda.
	envSuiteConsul = "PANDA_CLIENTS_SUITE_CONSUL"
	// envSuiteTable names the variable with the path of a file that the table is written to.
	envSuiteTable = "PANDA_CLIENTS_SUITE_TABLE"

	suiteModule = "github.com/hashicorp/consul/api@v1.14.0"
	suiteSDK    = "github.com/hashicorp/consul/sdk@v0.11.0"
	suiteNet    = "golang.org/x/net@v0.20.0" // one that a current Go links, and that keeps the module's own version of Go
)

// TestHashiCorpsSuite runs the tests of HashiCorp's own client library, in a copy of its module, with panda as the
// consul on PATH, which their test server starts for nearly every test. It prints a table of all tests, and holds that
// those pass which are not expected to fail, and no others. Another consul than panda is only told of.
//
//	PANDA_CLIENTS_SUITE=1 go test ./clients -run TestHashiCorpsSuite -v -timeout 60m
//
// The page in docs/reference says how many pass, and why the others do not; -suite-page writes it anew.
func TestHashiCorpsSuite(t *testing.T) {
	wanted := os.Getenv(envSuite)
	if wanted == "" {
		t.Skipf("it takes five minutes; set %s=1, or to a pattern of its tests", envSuite)
	}
	consul := os.Getenv(envSuiteConsul)
	if consul == "" {
		consul = pandaAsConsul(t)
	}
	if filepath.Base(consul) != "consul" && filepath.Base(consul) != "consul.exe" {
		t.Fatalf("%s is not called consul", consul)
	}
	folder := suiteCopy(t)
	pattern := "."
	if wanted != "1" {
		pattern = wanted
	}
	results := runSuite(t, folder, consul, pattern)
	for ended := 0; ended < len(results); { // a test that panics takes with it those that have not ended
		rest := unended(results)
		if len(rest) == 0 || len(results)-len(rest) == ended {
			break
		}
		ended = len(results) - len(rest)
		maps.Copy(results, runSuite(t, folder, consul, "^("+strings.Join(rest, "|")+")$"))
	}
	tellSuite(t, results)
	if os.Getenv(envSuiteConsul) != "" {
		return
	}
	judgeSuite(t, results, wanted == "1")
	if wanted == "1" && !t.Failed() {
		compareSuitePage(t, results)
	}
}

// unended returns the tests that have no outcome.
func unended(results map[string]*result) []string {
	var names []string
	for name, r := range results {
		if r.outcome == neverEnded {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// runSuite runs the tests that fit the pattern with the folder of consul first on PATH.
func runSuite(t *testing.T, folder, consul, pattern string) map[string]*result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "-vet=off", "-timeout", "50m", "-parallel", "2", "-run", pattern, ".")
	cmd.Dir = folder
	cmd.Env = append(without(without(os.Environ(), "CONSUL_"), "PATH="),
		"PATH="+filepath.Dir(consul)+string(filepath.ListSeparator)+os.Getenv("PATH"), "GOWORK=off", "GOFLAGS=-mod=mod")
	stdout := must[io.ReadCloser](t)(cmd.StdoutPipe())
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	results := readResults(t, stdout)
	if err := cmd.Wait(); err != nil && len(results) == 0 {
		t.Fatalf("no test ran: %v", err)
	}
	return results
}

// suiteCopy returns a folder with the module, made to build by itself.
func suiteCopy(t *testing.T) string {
	t.Helper()
	download := must[[]byte](t)(exec.CommandContext(t.Context(), "go", "mod", "download", "-json", suiteModule).Output())
	var module struct{ Dir string }
	if err := json.Unmarshal(download, &module); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "api")
	if err := os.CopyFS(folder, os.DirFS(module.Dir)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error { // the cache's files are read-only
		return errors.Join(err, os.Chmod(path, 0o755))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{
		{"mod", "edit", "-dropreplace=github.com/hashicorp/consul/sdk", "-require=" + suiteSDK},
		{"get", suiteNet},
		{"mod", "tidy"},
	} {
		cmd := exec.CommandContext(t.Context(), "go", arguments...)
		cmd.Dir, cmd.Env = folder, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(arguments, " "), err, output)
		}
	}
	return folder
}

// neverEnded is the outcome of a test that was under way, or waited, when another ended the process.
const neverEnded = "never ended"

// result is how one test ended, and what it said when it did not pass.
type result struct {
	outcome string // pass, fail or skip
	seconds float64
	said    []string
}

// readResults reads the events of go test -json. Only tests of the top are kept, with what those below them say.
func readResults(t *testing.T, events io.Reader) map[string]*result {
	t.Helper()
	results := make(map[string]*result)
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		var e struct {
			Action, Test, Output string
			Elapsed              float64
		}
		if json.Unmarshal(line, &e) == nil && e.Action == "build-output" {
			t.Log(strings.TrimSpace(e.Output))
		} else if e.Test != "" {
			name, _, below := strings.Cut(e.Test, "/")
			r := results[name]
			if r == nil {
				r = &result{outcome: neverEnded}
				results[name] = r
			}
			switch {
			case e.Action == "output" && telling(e.Output):
				r.said = append(r.said, strings.TrimSpace(e.Output))
			case !below && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip"):
				r.outcome, r.seconds = e.Action, e.Elapsed
			}
		}
		if err != nil {
			return results
		}
	}
}

// telling reports whether a line of a test's output may say why it failed: the agent's log is not it.
func telling(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") && !strings.Contains(line, "CONFIG JSON") &&
		(strings.Contains(line, "_test.go:") || strings.HasPrefix(line, "Error") || strings.Contains(line, "panic"))
}

// tellSuite prints the table of all tests.
func tellSuite(t *testing.T, results map[string]*result) {
	t.Helper()
	var table strings.Builder
	counts := make(map[string]int)
	for _, name := range slices.SortedFunc(maps.Keys(results), cmp.Compare[string]) {
		r := results[name]
		counts[r.outcome]++
		fmt.Fprintf(&table, "%-5s %6.1fs  %s\n", r.outcome, r.seconds, name)
		if r.outcome == "fail" || r.outcome == neverEnded {
			for _, line := range r.said[:min(len(r.said), 6)] {
				fmt.Fprintf(&table, "                 %.300s\n", line)
			}
		}
	}
	fmt.Fprintf(&table, "%v\n", counts)
	t.Log("\n" + table.String())
	if path := os.Getenv(envSuiteTable); path != "" {
		if err := os.WriteFile(path, []byte(table.String()), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// judgeSuite fails the test for each of the suite's whose outcome is not the one that is expected. whole says that all were run.
func judgeSuite(t *testing.T, results map[string]*result, whole bool) {
	t.Helper()
	failing := suiteFailures()
	for name, r := range results {
		why, expected := failing[name]
		switch passed := r.outcome == "pass" || r.outcome == "skip"; {
		case passed && expected:
			t.Errorf("%s: %s, though it is expected to fail: %s", name, r.outcome, why)
		case !passed && !expected:
			t.Errorf("%s: %s", name, r.outcome)
		}
	}
	for name := range failing {
		if whole && results[name] == nil {
			t.Errorf("%s is expected to fail, and there is no such test", name)
		}
	}
}
