package watch

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func instance(id string, status discovery.Status, output string) discovery.Instance {
	return discovery.Instance{ID: id, Service: "hello", Address: "10.0.0.1", Port: 80, Weight: 1, Checks: []discovery.Check{{Status: status, Output: output}}}
}

// texts feeds snapshots to a fresh state and returns what each is told by.
func texts(snapshots ...discovery.Snapshot) []string {
	var s state
	var all []string
	for _, snapshot := range snapshots {
		snapshot.Service, snapshot.Registry = "hello", "consul at a"
		for _, e := range s.next(snapshot) {
			all = append(all, e.text())
		}
	}
	return all
}

func TestEvents(t *testing.T) {
	set := func(instances ...discovery.Instance) discovery.Snapshot {
		return discovery.Snapshot{Instances: instances}
	}
	passing, critical := instance("a", discovery.Passing, ""), instance("a", discovery.Critical, "it is ill")
	moved, tagged := instance("a", discovery.Passing, "busy"), instance("a", discovery.Passing, "")
	moved.Port = 81
	tagged.Tags, tagged.Meta, tagged.Weight = []string{"v2"}, map[string]string{"k": "v"}, 5
	elsewhere := instance("a", discovery.Passing, "")
	elsewhere.Node = "other"
	away := discovery.Snapshot{Instances: []discovery.Instance{passing}, Err: errors.New("refused")}
	for name, c := range map[string]struct {
		snapshots []discovery.Snapshot
		want      []string
	}{
		"none at first": {[]discovery.Snapshot{set()}, []string{"watching hello in consul at a: 0 instances, 0 passing"}},
		"some at first": {[]discovery.Snapshot{set(passing, instance("b", discovery.Warning, "slow"))}, []string{
			"watching hello in consul at a: 2 instances, 1 passing", "a at 10.0.0.1:80: up, passing", "b at 10.0.0.1:80: down, warning: slow",
		}},
		"one comes, falls ill, tells more, recovers, leaves": {
			[]discovery.Snapshot{set(), set(passing), set(critical), set(instance("a", discovery.Critical, "worse")), set(passing), set()},
			[]string{
				"watching hello in consul at a: 0 instances, 0 passing", "a at 10.0.0.1:80: up, new, passing", "a at 10.0.0.1:80: down, critical: it is ill",
				"a at 10.0.0.1:80: changed, critical: worse", "a at 10.0.0.1:80: up, it was critical", "a at 10.0.0.1:80: gone, registered no more",
			},
		},
		"what a passing check prints is no news": {[]discovery.Snapshot{set(passing), set(instance("a", discovery.Passing, "busy"))}, []string{
			"watching hello in consul at a: 1 instance, 1 passing", "a at 10.0.0.1:80: up, passing",
		}},
		"it moves": {[]discovery.Snapshot{set(passing), set(moved)}, []string{
			"watching hello in consul at a: 1 instance, 1 passing", "a at 10.0.0.1:80: up, passing", "a at 10.0.0.1:81: changed, address was 10.0.0.1:80",
		}},
		"it is described anew": {[]discovery.Snapshot{set(passing), set(tagged)}, []string{
			"watching hello in consul at a: 1 instance, 1 passing", "a at 10.0.0.1:80: up, passing",
			"a at 10.0.0.1:80: changed, tags [v2] were [], metadata map[k:v] was map[], weight 5 was 1",
		}},
		"the same ID on two nodes": {[]discovery.Snapshot{set(passing), set(passing, elsewhere)}, []string{
			"watching hello in consul at a: 1 instance, 1 passing", "a at 10.0.0.1:80: up, passing", "a at 10.0.0.1:80: up, new, passing",
		}},
		"the registry goes and comes back": {[]discovery.Snapshot{set(passing), away, away, set(critical)}, []string{
			"watching hello in consul at a: 1 instance, 1 passing", "a at 10.0.0.1:80: up, passing", "consul at a does not answer: refused",
			"consul at a answers again", "a at 10.0.0.1:80: down, critical: it is ill",
		}},
		"the registry is away at first": {[]discovery.Snapshot{{Err: errors.New("refused")}, set()}, []string{
			"consul at a does not answer: refused", "consul at a answers again", "watching hello in consul at a: 0 instances, 0 passing",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := texts(c.snapshots...); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// feed is a registry that tells its snapshots and then waits, or fails.
type feed struct {
	snapshots []discovery.Snapshot
	err       error
}

func (feed) Announce(context.Context, discovery.Announcement) error {
	return errors.New("announcing is not for commands")
}

func (f feed) Watch(ctx context.Context, _ string, update func(discovery.Snapshot)) error {
	for _, s := range f.snapshots {
		update(s)
	}
	if f.err != nil {
		return f.err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (feed) Services(context.Context) ([]string, error) { return nil, nil }
func (feed) String() string                             { return "feed" }

func TestRunEndsWellWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var kinds []kind
	err := run(ctx, feed{snapshots: []discovery.Snapshot{{}}}, "hello", func(e event) error {
		kinds = append(kinds, e.Event)
		if e.Time.IsZero() {
			t.Error("an event without a time")
		}
		cancel()
		return nil
	})
	if err != nil || !reflect.DeepEqual(kinds, []kind{watching}) {
		t.Errorf("got %v, %v", kinds, err)
	}
}

func TestRunTellsWhatEndsIt(t *testing.T) {
	wrong, broken := errors.New("no service can have this name"), errors.New("the reader has gone")
	if err := run(t.Context(), feed{err: wrong}, "hello", nil); !errors.Is(err, wrong) {
		t.Errorf("a wrong name: %v", err)
	}
	calls := 0
	two := discovery.Snapshot{Instances: []discovery.Instance{instance("a", discovery.Passing, "")}}
	err := run(t.Context(), feed{snapshots: []discovery.Snapshot{two, two}}, "hello", func(event) error {
		calls++
		return broken
	})
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("a closed output: %v after %d lines", err, calls)
	}
}
