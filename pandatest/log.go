package pandatest

import (
	"log/slog"
	"sync"
	"testing"
)

// newLogger returns a logger whose lines are part of the test's output. What is logged after the test has
// ended is dropped: testing allows none then.
func newLogger(tb testing.TB) *slog.Logger {
	tb.Helper()
	out := &testOutput{tb: tb}
	tb.Cleanup(out.end)
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// testOutput writes to the log of a test while there is one.
type testOutput struct {
	mu    sync.Mutex
	tb    testing.TB
	ended bool
}

// Write implements [io.Writer]. It never fails.
func (o *testOutput) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return len(line), nil
	}
	return o.tb.Output().Write(line)
}

func (o *testOutput) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
}
