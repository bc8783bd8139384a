package cluster_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/conformance/cluster"
)

// at is a slot's start, in milliseconds.
func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

const lines = `{"Start":"1970-01-01T00:00:01Z","Sent":{"a:1":2,"b:1":1},"Answered":{"a:1":1,"b:1":1},"Reads":1,"Writes":1}
{"Start":"1970-01-01T00:00:01.5Z","Sent":{"a:1":1},"Answered":{"b:1":1},"Reads":1,"Writes":1,"Failed":[{"Write":true,"Error":"gone"}]}
{"Start":"1970-01-01T00:00:03Z","Sent":{"a:1":1},"Answered":{"a:1":1},"Reads":1,"Writes":0}
`

func TestRecords(t *testing.T) {
	var r cluster.Records
	if err := r.Follow(strings.NewReader(lines)); err != nil {
		t.Fatal(err)
	}
	if got := r.Answers(); got["a:1"] != 2 || got["b:1"] != 2 {
		t.Errorf("answers %v, want two of each", got)
	}
	reads, writes := r.Counts(at(0))
	if reads.Calls != 3 || len(reads.Failed) != 0 || writes.Calls != 2 || len(writes.Failed) != 1 {
		t.Errorf("reads %+v, writes %+v; want 3 without failure, 2 with one", reads, writes)
	}
	if reads, _ := r.Counts(at(2000)); reads.Calls != 1 {
		t.Errorf("%d reads since the third slot, want 1", reads.Calls)
	}
	if left := r.Left("a:1", at(1000), at(2000)); left != 510*time.Millisecond {
		t.Errorf("traffic left after %v, want at the end of the second slot", left)
	}
	if left := r.Left("c:1", at(1000), at(2000)); left != 0 {
		t.Errorf("traffic left an instance that had none after %v", left)
	}
	if back, ok := r.Back("a:1", at(2000)); !ok || back != 1010*time.Millisecond {
		t.Errorf("back after %v (%v), want with the third slot", back, ok)
	}
	if _, ok := r.Back("b:1", at(2000)); ok {
		t.Error("an instance that answered nothing is back")
	}
	if gap := r.Gap(at(1000)); gap != 1500*time.Millisecond {
		t.Errorf("longest gap %v, want 1.5s", gap)
	}
}

func TestRecordsRefuseWhatIsNone(t *testing.T) {
	var r cluster.Records
	if err := r.Follow(strings.NewReader("panic: no\n")); err == nil || !strings.Contains(err.Error(), `"panic: no"`) {
		t.Errorf("error %v, want one that shows the line", err)
	}
}
