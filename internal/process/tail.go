package process

import "sync"

// TailLength is how much a [Tail] keeps, in bytes.
const TailLength = 8 << 10

// Tail keeps the end of what a process writes, to tell why it ended. The zero value is empty. Its methods may be called from
// several goroutines.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements [io.Writer]. It never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - TailLength; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

// String returns what is kept.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
