package cluster_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	load "github.com/pandakit/panda/conformance/cluster"
	"github.com/pandakit/panda/conformance/realconsul"
)

// tablePath is the page that -update writes; fullRuns is how many runs of each drill make it whole.
const (
	tablePath = "../../docs/reference/drills.md"
	fullRuns  = 10
)

// drills are the rows of the page, in order.
var drills = []struct{ test, text string }{
	{"TestLeave", "An instance drains and its agent leaves (nothing fails: for comparison)"},
	{"TestLeaderKilled", "The leading server is killed"},
	{"TestLeaderHostLost", "The leader's host is lost, with the instance on it"},
	{"TestQuorumLost", "Two of three servers are killed; an instance is started meanwhile"},
	{"TestCallerCutOff", "The callers are cut off from one instance's host"},
	{"TestServersCutOff", "Two servers are cut off from each other"},
	{"TestAgentRestartedEmpty", "An instance's agent is killed and comes back empty"},
	{"TestCallersAgentRestartedEmpty", "The callers' agent is killed and comes back empty"},
	{"TestLinkOfInstance5", "The link of an instance's host: 50 ms and 5 % loss, each way"},
	{"TestLinkOfInstance20", "The link of an instance's host: 50 ms and 20 % loss, each way"},
	{"TestLinkOfCallers5", "The link of the callers' host: 50 ms and 5 % loss, each way"},
	{"TestLinkOfCallers20", "The link of the callers' host: 50 ms and 20 % loss, each way"},
	{"TestHostFrozen", "All processes of an instance's host stand still, and go on"},
	{"TestHTTPCallerCutOff", "HTTP: the callers are cut off from one instance's host"},
	{"TestHTTPHostFrozen", "HTTP: all processes of an instance's host stand still, and go on"},
	{"TestSecuredLeaderKilled", "ACL, gossip encryption and TLS: the leading server is killed"},
	{"TestCallersTokenRevoked", "ACL: the callers' token is revoked"},
	{"TestCallersTokenLosesRights", "ACL: the callers' token loses its rights"},
	{"TestTokensRotated", "ACL: an instance's and the callers' tokens are replaced while they run, the old ones revoked"},
	{"TestInstancesTokenRevoked", "ACL: an instance's token is revoked"},
}

// result is what one run of one drill has shown.
type result struct {
	drill         string
	failed        bool
	reads, writes load.Count
	times         map[string]time.Duration
	samples       map[string][]time.Duration
}

var results []*result

// keep notes a run of a drill, whatever becomes of it.
func keep(t *testing.T) *result {
	t.Helper()
	r := &result{drill: t.Name(), times: map[string]time.Duration{}, samples: map[string][]time.Duration{}}
	results = append(results, r)
	t.Cleanup(func() { r.failed = t.Failed() })
	return r
}

func (r *result) sample(what string, took time.Duration) {
	r.samples[what] = append(r.samples[what], took)
}

// row is all runs of one drill.
type row struct {
	runs, failed  int
	reads, writes load.Count
	times         map[string][]time.Duration
}

func rowOf(test string) *row {
	r := &row{times: map[string][]time.Duration{}}
	for _, one := range results {
		if one.drill != test {
			continue
		}
		r.runs++
		if one.failed {
			r.failed++
		}
		r.reads.Calls += one.reads.Calls
		r.reads.Failed = append(r.reads.Failed, one.reads.Failed...)
		r.writes.Calls += one.writes.Calls
		r.writes.Failed = append(r.writes.Failed, one.writes.Failed...)
		for what, took := range one.times {
			r.times[what] = append(r.times[what], took)
		}
		for what, took := range one.samples {
			r.times[what] = append(r.times[what], took...)
		}
	}
	return r
}

// summary tells the median and the largest.
func summary(all []time.Duration) string {
	if len(all) == 0 {
		return ""
	}
	all = slices.Sorted(slices.Values(all))
	return fmt.Sprintf("%s / %s", rounded(all[len(all)/2]), rounded(all[len(all)-1]))
}

func rounded(d time.Duration) string {
	if d >= 995*time.Millisecond {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

func share(c load.Count) string { return fmt.Sprintf("%d of %d", len(c.Failed), c.Calls) }

const pageHead = `# Failure drills

<!-- Written by "make drills". Do not edit. -->

Each drill runs against a real Consul %s of five hosts, which are network namespaces of one machine (2 cores, Linux): three
have a server, two a client agent. Every host but one has an instance of a service, registered with the host's own agent. On the last one
8 callers read and 8 write, each with one call in flight, a deadline of 10 s and no pause; an instance works 5 ms on a call. Reads
are calls whose method says that it may be repeated, writes are all others; over HTTP they are GET and POST. Times are the median and the largest of all
runs. "Traffic left" is the time from the loss to the last attempt of a call that was sent to the instance, "back" the time from the end of the
loss to its first answer, "pause" the longest time in which no call at all was answered; they are exact to 10 ms.

%s
| drill | runs | failed reads | failed writes | traffic left | back | pause | else |
|---|---:|---:|---:|---:|---:|---:|---|
`

const changesHead = `
## How long a change takes

An instance is registered with one host's agent and removed again; the times are until the callers' host knows, by a watch of the library
and, beside it, by a blocking query that is nothing else.

| change | times | library | bare query |
|---|---:|---:|---:|
`

// writeTable writes the page from the results of this run.
func writeTable() error {
	var b strings.Builder
	state := fmt.Sprintf("Each drill ran %d times or more.\n", fullRuns)
	var lines strings.Builder
	for _, d := range drills {
		r := rowOf(d.test)
		if r.runs < fullRuns {
			state = fmt.Sprintf("This run was partial: not every drill ran %d times.\n", fullRuns)
		}
		if r.runs == 0 {
			continue
		}
		runs := fmt.Sprint(r.runs)
		if r.failed > 0 {
			runs += fmt.Sprintf(", %d not passed", r.failed)
		}
		var more []string
		for what, took := range r.times {
			if what != left && what != back && what != gap {
				more = append(more, what+": "+summary(took))
			}
		}
		slices.Sort(more)
		fmt.Fprintf(&lines, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", d.text, runs, share(r.reads), share(r.writes),
			summary(r.times[left]), summary(r.times[back]), summary(r.times[gap]), strings.Join(more, "; "))
	}
	fmt.Fprintf(&b, pageHead, realconsul.Version, state)
	b.WriteString(lines.String())
	if r := rowOf("TestChangesReachPickers"); r.runs > 0 {
		b.WriteString(changesHead)
		for _, change := range []string{registered, removed} {
			library, bare := r.times[change+byLibrary], r.times[change+byQuery]
			fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", change, len(library), summary(library), summary(bare))
		}
	}
	return os.WriteFile(tablePath, []byte(b.String()), 0o644)
}
