package check

import (
	"fmt"
	"strings"
)

// clip cuts output at most bytes, never inside a character, and says so at the end.
func clip(output string, most int) string {
	if len(output) <= most {
		return output
	}
	kept := strings.ToValidUTF8(output[:most], "")
	return fmt.Sprintf("%s ... (captured %d of %d bytes)", kept, len(kept), len(output))
}

// tail keeps the last bytes of what is written to it. Its zero value keeps none.
type tail struct {
	most  int
	kept  []byte
	total int64
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.total += int64(len(p))
	t.kept = append(t.kept, p[max(0, len(p)-t.most):]...)
	if surplus := len(t.kept) - t.most; surplus > 0 {
		t.kept = append(t.kept[:0], t.kept[surplus:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }

// cut reports whether something is missing before what was kept.
func (t *tail) cut() bool { return t.total > int64(len(t.kept)) }
