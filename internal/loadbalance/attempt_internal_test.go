package loadbalance

import (
	"context"
	"errors"
	"testing"

	"github.com/pandakit/panda/internal/loadbalance/lifesign"
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
	var l lifesign.Attempts
	l.Add(&a.taking)
	lifesign.Move(l.Take(nil))
	if !a.Moved() || !errors.Is(inside.Err(), context.Canceled) || outside.Err() != nil {
		t.Errorf("moved %t, inside %v, outside %v", a.Moved(), inside.Err(), outside.Err())
	}
	cancel()
	if b := NewAttempt(outside); b.Err() == nil || b.Moved() {
		t.Errorf("an attempt of a caller who is gone: %v, moved %t", b.Err(), b.Moved())
	}
}
