package lifesign_test

import (
	"testing"

	"github.com/pandakit/panda/internal/loadbalance/lifesign"
)

func TestAttempts(t *testing.T) {
	var l, other lifesign.Attempts
	all := make([]*lifesign.Attempt, 4)
	for i := range all {
		all[i] = new(lifesign.Attempt)
		if !l.Add(all[i]) {
			t.Fatalf("attempt %d was not taken", i)
		}
	}
	if l.Add(all[0]) || other.Add(all[1]) {
		t.Error("one attempt is in two lists")
	}
	other.Remove(all[2]) // it is not there
	l.Remove(all[3])     // the first
	l.Remove(all[1])     // one in the middle
	l.Remove(all[1])
	left := l.Take(nil)
	if len(left) != 2 || left[0] != all[2] || left[1] != all[0] {
		t.Errorf("left are %v, want those that were not removed", left)
	}
	l.Remove(all[0]) // it was taken
	if again := l.Take(nil); len(again) != 0 || !other.Add(all[0]) {
		t.Errorf("taken again: %v", again)
	}
}
