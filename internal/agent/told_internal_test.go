package agent

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// fullDisk is a journal that refuses writes while err is set.
type fullDisk struct{ err error }

func (d *fullDisk) Append(uint64, []catalog.Change) error { return d.err }

// TestFullDiskIsToldOnce holds that the log has one line for a disk that is full and one for its end, not one for each
// write.
func TestFullDiskIsToldOnce(t *testing.T) {
	var log bytes.Buffer
	disk := new(fullDisk)
	j := &toldJournal{Journal: disk, logger: slog.New(slog.NewTextHandler(&log, nil))}
	full := errors.New("no space left")
	for n, err := range []error{nil, full, full, full, nil, nil} {
		disk.err = err
		if got := j.Append(uint64(n), nil); !errors.Is(got, err) {
			t.Fatalf("a write returned %v, want %v", got, err)
		}
	}
	if strings.Count(log.String(), "\n") != 2 || !strings.Contains(log.String(), `level=WARN msg="writes are refused: the data dir takes none" error="no space left"`) ||
		!strings.Contains(log.String(), "writes are taken again") {
		t.Errorf("logged\n%s", log.String())
	}
}
