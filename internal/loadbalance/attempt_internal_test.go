package loadbalance

import (
	"context"
	"errors"
	"testing"

	"github.com/pandakit/panda/internal/loadbalance/p2c"
)

func TestAttemptIsFoundAndEnded(t *testing.T) {
	type key struct{}
	outside, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
	a := NewAttempt(outside)
	inside, cancelInside := context.WithCancel(a)
	defer cancelInside()
	if kind, found := kindOf(inside); kind != p2c.Call || found != a {
		t.Errorf("found %v of kind %v, want the attempt", found, kind)
	}
	if inside.Value(key{}) != "kept" {
		t.Error("a value of the caller's is gone")
	}
	move([]*Attempt{a})
	if !a.Moved() || !errors.Is(inside.Err(), context.Canceled) || outside.Err() != nil {
		t.Errorf("moved %t, inside %v, outside %v", a.Moved(), inside.Err(), outside.Err())
	}
	cancel()
	if b := NewAttempt(outside); b.Err() == nil || b.Moved() {
		t.Errorf("an attempt of a caller who is gone: %v, moved %t", b.Err(), b.Moved())
	}
}

func TestAttemptList(t *testing.T) {
	var l, other attemptList
	all := make([]*Attempt, 4)
	for i := range all {
		all[i] = new(Attempt)
		if !l.add(all[i]) {
			t.Fatalf("attempt %d was not taken", i)
		}
	}
	if l.add(all[0]) || other.add(all[1]) {
		t.Error("one attempt is in two lists")
	}
	other.remove(all[2]) // it is not there
	l.remove(all[3])     // the first
	l.remove(all[1])     // one in the middle
	l.remove(all[1])
	left := l.take(nil)
	if len(left) != 2 || left[0] != all[2] || left[1] != all[0] {
		t.Errorf("left are %v, want those that were not removed", left)
	}
	l.remove(all[0]) // it was taken
	if again := l.take(nil); len(again) != 0 || !other.add(all[0]) {
		t.Errorf("taken again: %v", again)
	}
}
