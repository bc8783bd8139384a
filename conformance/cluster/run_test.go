package cluster_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery"
)

// The columns of the table that have times.
const (
	left = "traffic left" // from the loss to the last attempt of a call that was sent to the instance
	back = "back"         // from the end of the loss to the first answer of the instance
	gap  = "pause"        // the longest time in which no call at all was answered
)

// drillRun is one run of one drill.
type drillRun struct {
	*testing.T
	*system
	load   *callers
	result *result
}

// runDrill runs one drill on a system with callers, counts what fails and keeps it for the table. No call that may be
// repeated fails in any drill; of the others none does in those that say so. The callers may get arguments.
func runDrill(t *testing.T, on *shared, writesFail bool, run func(d *drillRun), callersArgs ...string) {
	t.Helper()
	s := on.get(t)
	d := &drillRun{T: t, system: s, result: keep(t)}
	d.load = s.startCallers(t, callersArgs...)
	begun := time.Now()
	run(d)
	if err := d.load.stop(); err != nil {
		t.Fatal(err)
	}
	reads, writes := d.load.records.Counts(d.load.started)
	d.result.reads, d.result.writes = reads, writes
	d.time(gap, d.load.records.Gap(begun))
	t.Logf("reads: %d, %d failed; writes: %d, %d failed; %v", reads.Calls, len(reads.Failed), writes.Calls, len(writes.Failed), d.result.times)
	if reads.Calls == 0 || writes.Calls == 0 {
		t.Error("no calls were made")
	}
	for i, f := range append(reads.Failed, writes.Failed...) {
		if i == 5 {
			break
		}
		if f.Write && writesFail {
			t.Logf("write, started %s, failed after %v: %s", f.Started.Format(time.StampMilli), f.Elapsed, f.Error)
			continue
		}
		t.Errorf("call (write: %t), started %s, failed after %v: %s", f.Write, f.Started.Format(time.StampMilli), f.Elapsed, f.Error)
	}
}

func (d *drillRun) time(what string, took time.Duration) { d.result.times[what] = took }

// do runs a step of the drill.
func (d *drillRun) do(what string, err error) {
	d.Helper()
	if err != nil {
		d.Fatalf("%s: %v", what, err)
	}
}

// others returns the addresses of all instances but one.
func (d *drillRun) others(than string) []string {
	var list []string
	for _, host := range instanceHosts {
		if host != than {
			list = append(list, d.address(host))
		}
	}
	return list
}

// leader returns the server that leads, once there is one that is not old.
func (d *drillRun) leader(old string) string {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), patience)
	defer cancel()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		if now := d.cluster.Leader(ctx); now != "" && now != old {
			return now
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			d.Fatalf("no leader but %q within %v", old, patience)
		}
	}
}

// lost waits until the others have answered so much that traffic has left the instance, and notes when it did.
func (d *drillRun) lost(name, address string, since time.Time, enough int) {
	d.Helper()
	d.load.awaitTotal(d.T, enough, d.others(name)...)
	d.time(left, d.load.records.Left(address, since, time.Now()))
}

// returned waits until the instance answers again, and notes when it did.
func (d *drillRun) returned(name string, since time.Time) {
	d.Helper()
	d.load.awaitAnswers(d.T, 20, d.address(name))
	took, _ := d.load.records.Back(d.address(name), since)
	d.time(back, took)
}

// awaitGone waits until calls must not be sent to the instance, by what the callers' registry knows.
func (d *drillRun) awaitGone(name string) {
	d.Helper()
	d.awaitGoneAt(name, d.address(name))
}

func (d *drillRun) awaitGoneAt(name, address string) {
	d.Helper()
	d.await(d.T, name+" is gone from the registry", func(known discovery.Snapshot) bool {
		return known.Err == nil && !usable(known, address)
	})
}

// awaitOutput waits until an instance has written the text.
func (d *drillRun) awaitOutput(name, text string) {
	d.Helper()
	d.awaitOutputs(name, text, 1)
}

// awaitOutputs waits until it has written the text so many times.
func (d *drillRun) awaitOutputs(name, text string, times int) {
	d.Helper()
	output := d.running()[name].output
	deadline := time.After(patience)
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for strings.Count(output.String(), text) < times {
		select {
		case <-poll.C:
		case <-deadline:
			d.Fatalf("instance %s has not written %q %d times within %v: %s", name, text, times, patience, output)
		}
	}
}
