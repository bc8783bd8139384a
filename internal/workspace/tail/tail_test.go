package tail_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/workspace/tail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func texts(lines []tail.Line) string {
	var all []string
	for _, l := range lines {
		all = append(all, l.Instance+":"+l.Text)
	}
	return strings.Join(all, " ")
}

func TestLastMergesInOrder(t *testing.T) {
	t.Parallel()
	var s tail.Store
	s.Add("a", "a-1", "1")
	s.Add("b", "b", "2")
	s.Add("a", "a-2", "3")
	s.Add("a", "a-1", "4")
	for _, c := range []struct {
		services []string
		n        int
		want     string
	}{
		{nil, 10, "a-1:1 b:2 a-2:3 a-1:4"},
		{nil, 2, "a-2:3 a-1:4"},
		{[]string{"a"}, 10, "a-1:1 a-2:3 a-1:4"},
		{[]string{"b", "a"}, 3, "b:2 a-2:3 a-1:4"},
		{[]string{"c"}, 10, ""},
		{nil, 0, ""},
	} {
		if got := texts(s.Last(c.services, c.n)); got != c.want {
			t.Errorf("the last %d of %q are %q, want %q", c.n, c.services, got, c.want)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	var s tail.Store
	for n := range tail.MaxLines + 5 {
		s.Add("a", "a", fmt.Sprint(n))
	}
	lines := s.Last(nil, 2*tail.MaxLines)
	if len(lines) != tail.MaxLines || lines[0].Text != "5" {
		t.Errorf("%d lines are kept from %q on, want %d from 5 on", len(lines), lines[0].Text, tail.MaxLines)
	}
	for range 5 {
		s.Add("b", "b", strings.Repeat("x", tail.MaxBytes/2))
	}
	if lines := s.Last([]string{"b"}, 10); len(lines) != 2 {
		t.Errorf("%d long lines are kept, want 2", len(lines))
	}
	s.Add("b", "b", strings.Repeat("x", 2*tail.MaxBytes))
	if lines := s.Last([]string{"b"}, 10); len(lines) != 1 {
		t.Errorf("%d lines are kept beside one that is longer than all may be", len(lines))
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s tail.Store
		s.Add("a", "a", "old")
		s.Add("a", "a", "last")
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		ended := make(chan error)
		go func() {
			ended <- s.Follow(ctx, []string{"a"}, 1, func(lines []tail.Line) error {
				got = append(got, texts(lines))
				return nil
			})
		}()
		synctest.Wait()
		s.Add("b", "b", "other")
		s.Add("a", "a", "new")
		synctest.Wait()
		s.Add("a", "a", "newer")
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow = %v, want context.Canceled", err)
		}
		if text := strings.Join(got, " "); text != "a:last a:new a:newer" {
			t.Errorf("followed %q", text)
		}
		gone := errors.New("gone")
		if err := s.Follow(t.Context(), nil, 1, func([]tail.Line) error { return gone }); !errors.Is(err, gone) {
			t.Errorf("Follow = %v, want the error of its reader", err)
		}
	})
}
