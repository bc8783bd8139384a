package discoverytest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/pandakit/panda/discovery"
)

func fullSetFirst(t *testing.T, h Harness) {
	name := serviceName(t)
	for n, id := range []string{"c", "a", "b"} {
		h.Put(instance(name, id, 8000+n))
	}
	first := watch(t, h.Registry, name).first(t)
	if !ids(name+"-a", name+"-b", name+"-c")(first) {
		t.Errorf("the first snapshot is %+v, want all three instances, sorted", first)
	}
	if first.Service != name || first.Registry != h.Registry.String() {
		t.Errorf("the snapshot is of %q in %q, want %q in %q", first.Service, first.Registry, name, h.Registry)
	}
	for _, i := range first.Instances {
		if i.Node == "" || i.Weight != 1 || i.Distance != 0 {
			t.Errorf("%s has node %q, weight %d, distance %d; want a node, 1 and 0", i.ID, i.Node, i.Weight, i.Distance)
		}
	}
}

func noneFirst(t *testing.T, h Harness) {
	first := watch(t, h.Registry, serviceName(t)).first(t)
	if first.Err != nil || len(first.Instances) != 0 {
		t.Errorf("the first snapshot is %+v, want no instance and no error", first)
	}
	if err := discovery.Explain(first, nil); !errors.As(err, new(*discovery.NotFoundError)) {
		t.Errorf("Explain: %v, want a NotFoundError", err)
	}
}

func changesTold(t *testing.T, h Harness) {
	name := serviceName(t)
	w := watch(t, h.Registry, name)
	w.await(t, "none", ids())
	h.Put(instance(name, "b", 8001))
	w.await(t, "b", ids(name+"-b"))
	h.Put(instance(name, "a", 8000))
	w.await(t, "a and b", ids(name+"-a", name+"-b"))
	moved := instance(name, "b", 9001)
	moved.Tags, moved.Meta = []string{"moved"}, map[string]string{"version": "2"}
	h.Put(moved)
	w.await(t, "b at another port", func(s discovery.Snapshot) bool {
		return len(s.Instances) == 2 && s.Instances[1].Port == 9001 &&
			slices.Equal(s.Instances[1].Tags, moved.Tags) && s.Instances[1].Meta["version"] == "2"
	})
	h.Forget(name + "-a")
	w.await(t, "b", ids(name+"-b"))
}

func emptySetTold(t *testing.T, h Harness) {
	name := serviceName(t)
	h.Put(instance(name, "a", 8000))
	w := watch(t, h.Registry, name)
	w.await(t, "a", ids(name+"-a"))
	h.Forget(name + "-a")
	w.await(t, "none", ids())
}

func sameNotToldAgain(t *testing.T, h Harness) {
	name := serviceName(t)
	h.Put(instance(name, "a", 8000))
	w := watch(t, h.Registry, name)
	w.await(t, "a", ids(name+"-a"))
	for range 5 {
		h.Put(instance(name, "a", 8000))
	}
	h.Put(instance(serviceName(t), "other", 8000))
	h.Put(instance(name, "b", 8001)) // by now all before it has been seen
	w.await(t, "a and b", ids(name+"-a", name+"-b"))
	told, _ := w.all()
	for n := 1; n < len(told); n++ {
		if told[n-1].Equal(&told[n]) {
			t.Errorf("snapshot %d of %d was told twice: %+v", n, len(told), told[n])
		}
	}
}

func lastKnownStays(t *testing.T, h Harness) {
	name := serviceName(t)
	h.Put(instance(name, "a", 8000))
	w := watch(t, h.Registry, name)
	w.await(t, "a", ids(name+"-a"))
	h.Disconnect()
	away := w.await(t, "an error", func(s discovery.Snapshot) bool { return s.Err != nil })
	if len(away.Instances) != 1 || away.Instances[0].ID != name+"-a" || !away.Instances[0].Usable() || away.Since.IsZero() {
		t.Errorf("the snapshot while the registry is away is %+v, want the instance and since when", away)
	}
	if err := discovery.Explain(away, nil); err != nil {
		t.Errorf("Explain with an instance from before: %v, want nil", err)
	}
	h.Put(instance(name, "b", 8001))
	h.Reconnect()
	w.await(t, "a and b", ids(name+"-a", name+"-b"))
}

func firstQueryFails(t *testing.T, h Harness) {
	name := serviceName(t)
	h.Disconnect()
	w := watch(t, h.Registry, name)
	first := w.first(t)
	if first.Err == nil || first.Since.IsZero() || len(first.Instances) != 0 {
		t.Errorf("the first snapshot is %+v, want an error, since when, and no instance", first)
	}
	var unreachable *discovery.UnreachableError
	if err := discovery.Explain(first, nil); !errors.As(err, &unreachable) || unreachable.Registry != h.Registry.String() {
		t.Errorf("Explain: %v, want an UnreachableError that names %s", err, h.Registry)
	}
	h.Put(instance(name, "a", 8000))
	h.Reconnect()
	w.await(t, "a", ids(name+"-a"))
}

func watchEnds(t *testing.T, h Harness) {
	name := serviceName(t)
	connected := watch(t, h.Registry, name)
	connected.await(t, "none", ids())
	connected.cancel()
	if err := end(t, "Watch", connected.ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Watch returned %v, want %v", err, context.Canceled)
	}
	h.Disconnect()
	away := watch(t, h.Registry, name)
	away.await(t, "an error", func(s discovery.Snapshot) bool { return s.Err != nil })
	away.cancel()
	if err := end(t, "Watch while the registry is away", away.ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Watch while the registry is away returned %v, want %v", err, context.Canceled)
	}
}

func severalWatchers(t *testing.T, h Harness) {
	name, other := serviceName(t), serviceName(t)
	var watchers []*history
	for range 8 {
		watchers = append(watchers, watch(t, h.Registry, name))
	}
	apart := watch(t, h.Registry, other)
	h.Put(instance(name, "a", 8000))
	for _, w := range watchers {
		w.await(t, "a", ids(name+"-a"))
	}
	watchers[0].cancel() // the others go on
	h.Put(instance(name, "b", 8001))
	for _, w := range watchers[1:] {
		w.await(t, "a and b", ids(name+"-a", name+"-b"))
	}
	apart.await(t, "none", ids())
}

func servicesListed(t *testing.T, h Harness) {
	first, second := serviceName(t), serviceName(t)
	h.Put(instance(first, "a", 8000))
	h.Put(instance(second, "a", 8000))
	h.Put(instance(second, "b", 8001))
	// A registry may learn of an instance somewhat later than the one who put it.
	watch(t, h.Registry, first).await(t, "a", ids(first+"-a"))
	watch(t, h.Registry, second).await(t, "a and b", ids(second+"-a", second+"-b"))
	names, err := h.Registry.Services(t.Context())
	if err != nil || !slices.IsSorted(names) || !slices.Contains(names, first) || !slices.Contains(names, second) {
		t.Errorf("Services: %q, %v; want %q and %q in order", names, err, first, second)
	}
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("Services: %q has a name twice", names)
	}
	h.Disconnect()
	if names, err := h.Registry.Services(t.Context()); err == nil {
		t.Errorf("Services while the registry is away: %q, want an error", names)
	}
}
