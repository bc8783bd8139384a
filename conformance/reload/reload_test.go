//go:build linux

package reload_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/conformance/drill"
	"github.com/pandakit/panda/conformance/drill/drillpb"
	"github.com/pandakit/panda/discovery/consul"
)

const (
	saves     = 100
	warm      = 10 // of these saves, after which nothing may grow
	instances = 2
	callers   = 4 // that read, and as many that write
)

// up is the workspace whose service is saved.
type up struct {
	*drill.Up
	t *testing.T
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// usage is what may not grow.
type usage struct{ goroutines, files, heap int }

func use(t *testing.T) usage {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return usage{runtime.NumGoroutine(), len(files), int(memory.HeapAlloc)}
}

// within reports whether nothing has grown by more than what differs from moment to moment.
func (u usage) within(before usage) bool {
	return u.goroutines <= before.goroutines+10 && u.files <= before.files+5 && u.heap <= before.heap+8<<20
}

func TestHundredSavesUnderLoad(t *testing.T) {
	u := &up{drill.StartUp(t, instances), t}
	registry, err := consul.New(consul.Config{Addresses: []string{u.Address}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := panda.Dial("drill", panda.WithRegistry(registry))
	if err != nil {
		t.Fatal(err)
	}
	load := drill.StartLoad(drillpb.NewDrillClient(conn), callers)
	stop := sync.OnceValues(load.Stop)
	defer func() {
		stop()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	u.Until("all answer", func() bool { return len(load.Answers()) == instances })
	var took []time.Duration
	var before, after usage
	for n := range saves {
		took = append(took, u.save(load, n+1))
		if n == warm-1 {
			u.Until("rest", func() bool { return len(drill.Children(t)) == instances })
			before = use(t)
		}
	}
	u.Until("nothing has grown", func() bool {
		after = use(t)
		return len(drill.Children(t)) == instances && after.within(before) || t.Failed()
	})
	reads, writes := stop()
	slices.Sort(took)
	t.Logf("%d saves, each live after %v at the median and %v at the most", saves, took[len(took)/2], took[len(took)-1])
	t.Logf("goroutines, files, bytes of heap: %v after %d saves, %v after %d", before, warm, after, saves)
	noneFailed(t, "reads", reads)
	noneFailed(t, "writes", writes)
	u.End()
	if text := u.Output(); strings.Count(text, "replaced after") != saves*instances {
		t.Errorf("%d instances were replaced, want %d", strings.Count(text, "replaced after"), saves*instances)
	}
}

// save saves the file and returns how long it took until a new instance answers; it comes back when all do.
func (u *up) save(load *drill.Load, n int) time.Duration {
	u.t.Helper()
	before := load.Answers()
	began := time.Now()
	drill.Save(u.t, filepath.Join(u.Root, "drill", "version.go"), drill.Version(n))
	fresh := func() int {
		count := 0
		for pid := range load.Answers() {
			if _, known := before[pid]; !known {
				count++
			}
		}
		return count
	}
	u.Until(fmt.Sprintf("save %d is live", n), func() bool { return fresh() > 0 })
	took := time.Since(began)
	u.Until(fmt.Sprintf("save %d is live everywhere", n), func() bool { return fresh() >= instances })
	return took
}

func noneFailed(t *testing.T, kind string, c drill.Count) {
	t.Helper()
	t.Logf("%s: %d calls, %d failed", kind, c.Calls, len(c.Failed))
	if c.Calls < saves {
		t.Errorf("%s: only %d calls were made", kind, c.Calls)
	}
	for _, f := range c.Failed[:min(len(c.Failed), 5)] {
		t.Errorf("%s of caller %d, started %s, failed after %v: %v", kind, f.Caller, f.Started.Format(time.StampMilli), f.Elapsed, f.Err)
	}
}
