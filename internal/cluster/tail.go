package cluster

import (
	"bytes"
	"cmp"
	"strings"
	"sync"
)

// tailLength is how much is kept, in bytes.
const tailLength = 8 << 10

// tail keeps the end of what a process writes. Its methods may be called from several goroutines.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - tailLength; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

// lastError returns the last line that tells an error, else the last line.
func (t *tail) lastError() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, lastError := "", ""
	for line := range strings.Lines(string(bytes.TrimSpace(t.text))) {
		last = strings.TrimSpace(line)
		if strings.Contains(line, "[ERROR]") || strings.HasPrefix(line, "==>") {
			lastError = last
		}
	}
	return cmp.Or(lastError, last, "it printed nothing")
}
