package watch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cli/command"
)

// kind is what happened. Its text is part of the JSON that is printed.
type kind string

const (
	watching kind = "watching" // the first answer: what there is now
	up       kind = "up"       // the instance can be called now
	down     kind = "down"     // it cannot, or not any more
	changed  kind = "changed"  // something else of it
	gone     kind = "gone"     // it is registered no more
	away     kind = "away"     // the registry does not answer
	back     kind = "back"     // it answers again
)

// event is one line.
type event struct {
	Time      time.Time        `json:"time"`
	Event     kind             `json:"event"`
	Service   string           `json:"service"`
	Registry  string           `json:"registry,omitempty"`  // of watching, away and back
	Instances *int             `json:"instances,omitempty"` // of watching
	Passing   *int             `json:"passing,omitempty"`   // of watching
	ID        string           `json:"id,omitempty"`        // the rest is of one instance
	Node      string           `json:"node,omitempty"`
	Address   string           `json:"address,omitempty"`
	Status    discovery.Status `json:"status,omitempty"`
	Reason    string           `json:"reason,omitempty"`
}

func (e *event) text() string {
	switch e.Event {
	case watching:
		return fmt.Sprintf("watching %s in %s: %s, %d passing", e.Service, e.Registry, command.Count(*e.Instances, "instance"), *e.Passing)
	case away:
		return fmt.Sprintf("%s does not answer: %s", e.Registry, e.Reason)
	case back:
		return e.Registry + " answers again"
	case up, down, changed, gone:
	}
	text := fmt.Sprintf("%s at %s: %s", e.ID, e.Address, e.Event)
	if e.Reason != "" {
		text += ", " + e.Reason
	}
	return text
}

// state is what was told last. The zero value is that nothing was.
type state struct {
	told     bool // an answer was told, be it "none"
	away     bool
	lastAway string
	known    []discovery.Instance
}

// next returns what has happened since the last snapshot, in the order in which it is told.
func (s *state) next(now discovery.Snapshot) []event {
	if now.Err != nil {
		return s.unanswered(now)
	}
	var events []event
	if s.away {
		events = append(events, event{Event: back, Service: now.Service, Registry: now.Registry})
		s.away, s.lastAway = false, ""
	}
	if !s.told {
		instances, passing := len(now.Instances), len(now.Usable())
		events = append(events, event{Event: watching, Service: now.Service, Registry: now.Registry, Instances: &instances, Passing: &passing})
	}
	events = append(events, s.instances(now)...)
	s.told, s.known = true, now.Instances
	return events
}

// unanswered tells once for each reason that the registry is away.
func (s *state) unanswered(now discovery.Snapshot) []event {
	reason := now.Err.Error()
	if s.away && s.lastAway == reason {
		return nil
	}
	s.away, s.lastAway = true, reason
	return []event{{Event: away, Service: now.Service, Registry: now.Registry, Reason: reason}}
}

func (s *state) instances(now discovery.Snapshot) []event {
	var events []event
	for i := range s.known {
		if find(now.Instances, &s.known[i]) == nil {
			events = append(events, about(gone, now.Service, &s.known[i], "registered no more"))
		}
	}
	for i := range now.Instances {
		in := &now.Instances[i]
		if e, worthTelling := compare(find(s.known, in), in, s.told); worthTelling {
			events = append(events, about(e.Event, now.Service, in, e.Reason))
		}
	}
	return events
}

func find(list []discovery.Instance, wanted *discovery.Instance) *discovery.Instance {
	i := slices.IndexFunc(list, func(in discovery.Instance) bool {
		return in.ID == wanted.ID && in.Node == wanted.Node && in.Datacenter == wanted.Datacenter
	})
	if i < 0 {
		return nil
	}
	return &list[i]
}

func about(k kind, service string, in *discovery.Instance, reason string) event {
	return event{Event: k, Service: service, ID: in.ID, Node: in.Node, Address: in.Endpoint(), Status: in.Status(), Reason: reason}
}

// compare tells what is new of an instance; before is nil for one that was not known.
func compare(before, now *discovery.Instance, told bool) (event, bool) {
	switch {
	case before == nil:
		return appeared(now, told), true
	case !before.Usable() && now.Usable():
		return event{Event: up, Reason: fmt.Sprintf("it was %s", before.Status())}, true
	case before.Usable() && !now.Usable():
		return event{Event: down, Reason: command.Unusable(now)}, true
	case !now.Usable() && command.Unusable(before) != command.Unusable(now):
		return event{Event: changed, Reason: command.Unusable(now)}, true
	}
	changes := changesOf(before, now)
	return event{Event: changed, Reason: strings.Join(changes, ", ")}, len(changes) > 0
}

func appeared(now *discovery.Instance, told bool) event {
	e := event{Event: up, Reason: "passing"}
	if !now.Usable() {
		e = event{Event: down, Reason: command.Unusable(now)}
	}
	if told {
		e.Reason = "new, " + e.Reason
	}
	return e
}

// changesOf names what users see of an instance besides its health. What a check prints while it passes
// changes all the time, and is left out.
func changesOf(before, now *discovery.Instance) []string {
	var changes []string
	tell := func(differs bool, format string, args ...any) {
		if differs {
			changes = append(changes, fmt.Sprintf(format, args...))
		}
	}
	tell(before.Endpoint() != now.Endpoint(), "address was %s", before.Endpoint())
	tell(!slices.Equal(before.Tags, now.Tags), "tags %v were %v", now.Tags, before.Tags)
	tell(fmt.Sprint(before.Meta) != fmt.Sprint(now.Meta), "metadata %v was %v", now.Meta, before.Meta)
	tell(before.Weight != now.Weight, "weight %d was %d", now.Weight, before.Weight)
	return changes
}
