// Package tail keeps the last lines that each instance of a workspace has written, in memory and bounded, for those who
// ask later or follow. It never holds up who writes, and stores nothing on disk.
package tail

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// What is kept of each instance, whichever is reached first.
const (
	MaxLines = 1000
	MaxBytes = 256 << 10
)

// Line is a line that an instance has written.
type Line struct {
	Time     time.Time `json:"time"`
	Service  string    `json:"service"`
	Instance string    `json:"instance"` // its label
	Text     string    `json:"text"`

	number uint64 // counts all lines of a store, from 1
}

// Store keeps lines. The zero value is usable; its methods may be called from several goroutines.
type Store struct {
	mu    sync.Mutex
	last  uint64
	rings map[string]*ring // by instance
	wake  chan struct{}    // closed by the next line; nil while nobody waits
}

// ring is the lines of one instance, the oldest first.
type ring struct {
	lines []Line
	bytes int
}

// Add takes a line, without its end.
func (s *Store) Add(service, instance, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rings == nil {
		s.rings = make(map[string]*ring)
	}
	r := s.rings[instance]
	if r == nil {
		r = new(ring)
		s.rings[instance] = r
	}
	s.last++
	r.lines = append(r.lines, Line{time.Now(), service, instance, text, s.last})
	r.bytes += len(text)
	surplus := 0
	for len(r.lines)-surplus > MaxLines || r.bytes > MaxBytes && len(r.lines)-surplus > 1 {
		r.bytes -= len(r.lines[surplus].Text)
		r.lines[surplus] = Line{} // its text is not to be kept by the array
		surplus++
	}
	r.lines = r.lines[surplus:]
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

// Last returns the last n lines of the services, of all when there are none, in the order in which they were written.
func (s *Store) Last(services []string, n int) []Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.since(services, 0)
	return lines[max(len(lines)-n, 0):]
}

// Follow passes on the last n lines as [Store.Last] does, and then each new one, until ctx is done or write returns an
// error, which it returns. Lines that are gone before a slow reader has come to them are left out.
func (s *Store) Follow(ctx context.Context, services []string, n int, write func([]Line) error) error {
	s.mu.Lock()
	lines := s.since(services, 0)
	lines = lines[max(len(lines)-n, 0):]
	for {
		seen := s.last
		if s.wake == nil {
			s.wake = make(chan struct{})
		}
		wake := s.wake
		s.mu.Unlock()
		if len(lines) > 0 {
			if err := write(lines); err != nil {
				return err
			}
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.mu.Lock()
		lines = s.since(services, seen)
	}
}

// since returns the lines after one of a number.
func (s *Store) since(services []string, number uint64) []Line {
	var lines []Line
	for _, r := range s.rings {
		if len(services) > 0 && len(r.lines) > 0 && !slices.Contains(services, r.lines[0].Service) {
			continue
		}
		at, _ := slices.BinarySearchFunc(r.lines, number+1, func(l Line, n uint64) int { return cmp.Compare(l.number, n) })
		lines = append(lines, r.lines[at:]...)
	}
	slices.SortFunc(lines, func(a, b Line) int { return cmp.Compare(a.number, b.number) })
	return lines
}
