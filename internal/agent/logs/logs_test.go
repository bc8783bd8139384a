package logs_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/agent/logs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestText(t *testing.T) {
	hub := logs.NewHub()
	w := hub.Watch(slog.LevelInfo, false)
	logger := slog.New(hub.Handler()).With("a", 1).WithGroup("g")
	logger.Debug("not wanted")
	logger.Warn("two\nlines", "b", "x y", slog.Group("h", "c", true), "d", "")
	line := string(<-w.Lines())
	if _, rest, _ := strings.Cut(line, " "); rest != "[WARN]  agent: two\\nlines: a=1 g.b=\"x y\" g.h.c=true g.d=\"\"\n" {
		t.Errorf("got %q", line)
	}
	if dropped := w.Close(); dropped != 0 || len(w.Lines()) != 0 {
		t.Errorf("%d dropped, %d left", dropped, len(w.Lines()))
	}
}

func TestJSON(t *testing.T) {
	hub := logs.NewHub()
	w := hub.Watch(logs.Trace, true)
	defer w.Close()
	slog.New(hub.Handler()).Debug("hello", "n", 3, "s", "x\"y", "ok", true)
	var got map[string]any
	if err := json.Unmarshal(<-w.Lines(), &got); err != nil {
		t.Fatal(err)
	}
	if got["@message"] != "hello" || got["@level"] != "debug" || got["n"] != 3.0 || got["s"] != `x"y` || got["ok"] != true {
		t.Errorf("got %v", got)
	}
}

// TestSlowWatcherLosesLines holds that nobody waits for a watcher that does not read.
func TestSlowWatcherLosesLines(t *testing.T) {
	hub := logs.NewHub()
	slow := hub.Watch(slog.LevelInfo, false)
	logger := slog.New(hub.Handler())
	for range 1000 {
		logger.Info("line")
	}
	if dropped := slow.Close(); dropped != 1000-uint64(len(slow.Lines())) || dropped == 0 {
		t.Errorf("%d dropped, %d waiting", dropped, len(slow.Lines()))
	}
}

func TestEnabledOnlyWhileWatched(t *testing.T) {
	hub := logs.NewHub()
	handler := hub.Handler()
	if handler.Enabled(t.Context(), slog.LevelError) {
		t.Error("enabled without a watcher")
	}
	w := hub.Watch(slog.LevelWarn, false)
	if handler.Enabled(t.Context(), slog.LevelInfo) || !handler.Enabled(t.Context(), slog.LevelWarn) {
		t.Error("the wrong levels are enabled")
	}
	w.Close()
	if handler.Enabled(t.Context(), slog.LevelError) {
		t.Error("enabled after the last watcher left")
	}
}

func TestParseLevel(t *testing.T) {
	for name, want := range map[string]slog.Level{"trace": logs.Trace, "Debug": slog.LevelDebug, "INFO": slog.LevelInfo, "warn": slog.LevelWarn, "err": slog.LevelError, "error": slog.LevelError} {
		if got, ok := logs.ParseLevel(name); !ok || got != want {
			t.Errorf("%s: %v %v", name, got, ok)
		}
	}
	if _, ok := logs.ParseLevel("x"); ok {
		t.Error("x is a level")
	}
}
