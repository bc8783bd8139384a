//go:build linux

package upgrade_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/conformance/drill"
	"github.com/pandakit/panda/conformance/drill/drillpb"
	"github.com/pandakit/panda/discovery/consul"
)

const (
	callers = 8      // that read, and as many that write
	enough  = 10_000 // calls of a test
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loaded is a workspace whose service is called all the time.
type loaded struct {
	*drill.Up
	t    *testing.T
	load *drill.Load
	stop func() (reads, writes drill.Count)
}

// start returns when every instance has answered.
func start(t *testing.T, instances int) *loaded {
	t.Helper()
	l := &loaded{Up: drill.StartUp(t, instances, "--no-reload"), t: t}
	registry, err := consul.New(consul.Config{Addresses: []string{l.Address}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := panda.Dial("drill", panda.WithRegistry(registry))
	if err != nil {
		t.Fatal(err)
	}
	l.load = drill.StartLoad(drillpb.NewDrillClient(conn), callers)
	l.stop = sync.OnceValues(l.load.Stop)
	t.Cleanup(func() {
		l.stop()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	l.Until("all answer", func() bool { return len(l.load.Answers()) == instances })
	return l
}

// command runs one that succeeds.
func (l *loaded) command(args ...string) {
	l.t.Helper()
	code, output := l.Panda(l.t.Context(), args...)
	l.t.Logf("panda %s\n%s", strings.Join(args, " "), output)
	if code != 0 {
		l.t.Fatalf("panda %s: exit code %d", strings.Join(args, " "), code)
	}
}

// noneFailed waits until there were enough calls, and wants all of them to be answered.
func (l *loaded) noneFailed() {
	l.t.Helper()
	l.Until("enough calls", func() bool { return l.answered() >= enough })
	reads, writes := l.stop()
	l.t.Logf("%d calls, %d failed", reads.Calls+writes.Calls, len(reads.Failed)+len(writes.Failed))
	for _, f := range slices.Concat(reads.Failed, writes.Failed) {
		l.t.Errorf("a call failed after %v: %v", f.Elapsed, f.Err)
	}
}

func (l *loaded) answered() int {
	n := 0
	for _, count := range l.load.Answers() {
		n += count
	}
	return n
}

// since returns the processes that have answered since before.
func (l *loaded) since(before map[uint32]int) []uint32 {
	var active []uint32
	for pid, count := range l.load.Answers() {
		if count > before[pid] {
			active = append(active, pid)
		}
	}
	slices.Sort(active)
	return active
}

// onlyAnswering waits until it is these processes, and no other, that answer.
func (l *loaded) onlyAnswering(want func(pids []uint32) bool) {
	l.t.Helper()
	for {
		before := l.load.Answers()
		total := l.answered()
		l.Until("more calls", func() bool { return l.answered() > total+500 })
		if pids := l.since(before); want(pids) {
			return
		}
		if l.t.Failed() {
			return
		}
	}
}

func TestGrow(t *testing.T) {
	l := start(t, 1)
	l.command("scale", "drill=3")
	l.onlyAnswering(func(pids []uint32) bool { return len(pids) == 3 })
	l.noneFailed()
}

func TestTakeOneOut(t *testing.T) {
	l := start(t, 3)
	before := drill.Children(t)
	l.command("drain", "drill-2")
	after := drill.Children(t)
	if len(before) != 3 || len(after) != 2 {
		t.Errorf("there were %v, and now there are %v", before, after)
	}
	l.onlyAnswering(func(pids []uint32) bool { return len(pids) == 2 })
	l.noneFailed()
}

func TestUpgrade(t *testing.T) {
	l := start(t, 3)
	before := drill.Children(t)
	drill.Save(t, filepath.Join(l.Root, "drill", "version.go"), drill.Version(1))
	l.command("upgrade", "drill")
	for _, pid := range drill.Children(t) {
		if slices.Contains(before, pid) {
			t.Errorf("process %d of the old version runs still", pid)
		}
	}
	l.onlyAnswering(func(pids []uint32) bool { return len(pids) == 3 })
	l.noneFailed()
}

// An upgrade that is interrupted while its canary is judged leaves what was there, and has cost no call.
func TestInterrupt(t *testing.T) {
	l := start(t, 2)
	before := drill.Children(t)
	drill.Save(t, filepath.Join(l.Root, "drill", "version.go"), drill.Version(1))
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var waiting sync.WaitGroup
	waiting.Go(func() {
		l.Until("the canary answers", func() bool { return len(l.load.Answers()) == 3 })
		interrupt()
	})
	code, output := l.Panda(ctx, "upgrade", "drill", "--canary", "20%", "--canary-time", "1h")
	waiting.Wait()
	t.Logf("%s", output)
	if code != 1 || !strings.Contains(output, "interrupted; the old version serves as before") {
		t.Errorf("exit code %d", code)
	}
	if after := drill.Children(t); !slices.Equal(before, after) {
		t.Errorf("there were %v, and now there are %v", before, after)
	}
	l.noneFailed()
}

func TestCanaryThatFails(t *testing.T) {
	l := start(t, 3)
	before := drill.Children(t)
	path := filepath.Join(l.Root, "drill", "main.go")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.NewReplacer(
		"\tselect {\n", "\tif rand.N(10) < 3 {\n\t\treturn nil, status.Errorf(codes.Internal, \"process %d\", os.Getpid())\n\t}\n\tselect {\n",
		"import (\n", "import (\n\t\"math/rand/v2\"\n\n\t\"google.golang.org/grpc/codes\"\n\t\"google.golang.org/grpc/status\"\n\n",
	).Replace(string(text))
	drill.Save(t, path, broken)
	code, output := l.Panda(t.Context(), "upgrade", "drill", "--canary", "10%", "--canary-time", "1h")
	t.Logf("%s", output)
	if code != 3 || !strings.Contains(output, "does worse") {
		t.Errorf("exit code %d", code)
	}
	if after := drill.Children(t); !slices.Equal(before, after) {
		t.Errorf("there were %v, and now there are %v", before, after)
	}
	l.Until("enough calls", func() bool { return l.answered() >= enough })
	reads, writes := l.stop()
	failed := slices.Concat(reads.Failed, writes.Failed)
	total := reads.Calls + writes.Calls
	t.Logf("%d calls, %d failed", total, len(failed))
	if len(failed) == 0 || len(failed) > total/20 {
		t.Errorf("%d calls of %d failed", len(failed), total)
	}
	for _, f := range failed {
		_, process, _ := strings.Cut(f.Err.Error(), "process ")
		if pid, err := strconv.Atoi(process); err != nil || slices.Contains(before, pid) {
			t.Errorf("a call failed that did not go to the canary: %v", f.Err)
		}
	}
}
