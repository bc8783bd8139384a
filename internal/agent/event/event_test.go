package event_test

import (
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/agent/event"
	"github.com/pandakit/panda/internal/consulwire"
)

func TestRingKeepsTheLatest(t *testing.T) {
	ring := event.NewRing()
	for range event.Kept + 3 {
		ring.Fire(consulwire.UserEvent{Name: "a"}, true)
	}
	events, _ := ring.Latest("")
	if len(events) != event.Kept || events[0].LTime != 5 || events[event.Kept-1].LTime != event.Kept+4 {
		t.Errorf("kept %d, from %d to %d", len(events), events[0].LTime, events[len(events)-1].LTime)
	}
	if named, _ := ring.Latest("b"); len(named) != 0 {
		t.Errorf("%d of another name", len(named))
	}
}

func TestRingWakes(t *testing.T) {
	ring := event.NewRing()
	_, changed := ring.Latest("")
	ring.Fire(consulwire.UserEvent{Name: "for others"}, false)
	select {
	case <-changed:
		t.Error("an event that is not kept woke a reader")
	default:
	}
	ring.Fire(consulwire.UserEvent{Name: "a"}, true)
	<-changed
	events, _ := ring.Latest("a")
	if len(events) != 1 || events[0].LTime != 3 {
		t.Errorf("got %+v", events)
	}
}

func TestIndex(t *testing.T) {
	// As Consul answered for this event.
	events := []*consulwire.UserEvent{{ID: "8a0ce274-34d9-e382-0276-7d85b766805b"}}
	if got := event.Index(events); got != 0x8a0ce27434d9e382^0x02767d85b766805b {
		t.Errorf("index %d", got)
	}
	for _, none := range [][]*consulwire.UserEvent{nil, {{ID: "x"}}, {{ID: strings.Repeat("z", 32)}}} {
		if got := event.Index(none); got != 1 {
			t.Errorf("index %d of %v", got, none)
		}
	}
}

func TestConcerns(t *testing.T) {
	services := map[string][]string{"web": {"v1", "blue"}, "db": nil}
	for _, c := range []struct {
		event consulwire.UserEvent
		want  bool
	}{
		{consulwire.UserEvent{}, true},
		{consulwire.UserEvent{NodeFilter: "^n"}, true},
		{consulwire.UserEvent{NodeFilter: "x"}, false},
		{consulwire.UserEvent{ServiceFilter: "we"}, true},
		{consulwire.UserEvent{ServiceFilter: "^b$"}, false},
		{consulwire.UserEvent{ServiceFilter: "web", TagFilter: "v."}, true},
		{consulwire.UserEvent{ServiceFilter: "db", TagFilter: "v."}, false},
		{consulwire.UserEvent{NodeFilter: "x", ServiceFilter: "web"}, false},
	} {
		if got := event.Concerns(&c.event, "n1", services); got != c.want {
			t.Errorf("%+v: %v", c.event, got)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, e := range []consulwire.UserEvent{
		{TagFilter: "a"}, {NodeFilter: "("}, {ServiceFilter: "("}, {ServiceFilter: "a", TagFilter: "("}, {Payload: make([]byte, 600)},
	} {
		if event.Validate(&e) == nil {
			t.Errorf("%+v was taken", e)
		}
	}
	if err := event.Validate(&consulwire.UserEvent{Name: "a", Payload: make([]byte, 400), ServiceFilter: "a", TagFilter: "b"}); err != nil {
		t.Error(err)
	}
}
