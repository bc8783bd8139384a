package discoverytest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery"
)

func announcedAsWritten(t *testing.T, h Harness) {
	name := serviceName(t)
	want := instance(name, "a", 65535)
	want.Address = "2001:db8::1"
	want.Weight = 7
	want.Tags = []string{"traefik.http.routers.hello.rule=Host(`hello.example`)", "urlprefix-/hello strip=/hello", "熊猫", "b,a", "b,a", ""}
	want.Meta = map[string]string{"version": "1.2.3", "empty": "", "odd": "熊猫 \"=,;\n", "A-z_0": strings.Repeat("x", 512), strings.Repeat("k", 128): "1"}
	announce(t, h.Registry, discovery.Announcement{Instance: want})
	s := watch(t, h.Registry, name).await(t, "the instance", ids(want.ID))
	got := s.Instances[0]
	if got.Endpoint() != "[2001:db8::1]:65535" || got.Weight != want.Weight || got.Service != name {
		t.Errorf("found %s at %s with weight %d, want %s, %s, %d", got.Service, got.Endpoint(), got.Weight, name, want.Endpoint(), want.Weight)
	}
	if !slices.Equal(got.Tags, want.Tags) {
		t.Errorf("tags are %q, want %q", got.Tags, want.Tags)
	}
	if !maps.Equal(got.Meta, want.Meta) {
		t.Errorf("metadata is %q, want %q", got.Meta, want.Meta)
	}
}

func oddNames(t *testing.T, h Harness) {
	for _, suffix := range []string{"-v1.2_X", "-熊猫", " with space", "-100%41?x=1&y#z", "-a/b"} {
		name := serviceName(t) + suffix
		i := instance(name, "a:1", 8000)
		i.Address = "host-1.example.com"
		announce(t, h.Registry, discovery.Announcement{Instance: i})
		w := watch(t, h.Registry, name)
		s := w.await(t, "the instance", ids(i.ID))
		if s.Instances[0].Service != name || s.Instances[0].Address != i.Address {
			t.Errorf("found %q at %q, want %q at %q", s.Instances[0].Service, s.Instances[0].Address, name, i.Address)
		}
		if names, err := h.Registry.Services(t.Context()); err != nil || !slices.Contains(names, name) {
			t.Errorf("Services: %q, %v; want %q among them", names, err, name)
		}
	}
}

func healthSeen(t *testing.T, h Harness) {
	name := serviceName(t)
	var health atomic.Pointer[discovery.Check]
	changed := make(chan struct{})
	set := func(status discovery.Status, output string) {
		health.Store(&discovery.Check{Status: status, Output: output})
	}
	set(discovery.Warning, "starting")
	announce(t, h.Registry, discovery.Announcement{
		Instance: instance(name, "a", 8000),
		Health: func() (discovery.Status, string) {
			now := health.Load()
			return now.Status, now.Output
		},
		HealthChanged: changed,
	})
	w := watch(t, h.Registry, name)
	seen := func(status discovery.Status, output string) {
		t.Helper()
		s := w.await(t, fmt.Sprintf("one instance that is %s: %s", status, output), func(s discovery.Snapshot) bool {
			return len(s.Instances) == 1 && s.Instances[0].Status() == status &&
				slices.ContainsFunc(s.Instances[0].Checks, func(c discovery.Check) bool { return c.Status == status && (output == "" || c.Output == output) })
		})
		if usable := len(s.Usable()) == 1; usable != (status == discovery.Passing) {
			t.Errorf("%s: usable is %v", status, usable)
		}
	}
	seen(discovery.Warning, "")
	for _, next := range []discovery.Check{
		{Status: discovery.Passing, Output: "serving"},
		{Status: discovery.Critical, Output: "database is away"},
		{Status: discovery.Passing, Output: "serving again"},
	} {
		set(next.Status, next.Output)
		changed <- struct{}{}
		seen(next.Status, next.Output)
	}
	set(discovery.Critical, "noticed at the next renewal")
	seen(discovery.Critical, "noticed at the next renewal")
}

func endedGone(t *testing.T, h Harness) {
	name := serviceName(t)
	a := announce(t, h.Registry, discovery.Announcement{Instance: instance(name, "a", 8000)})
	announce(t, h.Registry, discovery.Announcement{Instance: instance(name, "b", 8001)})
	w := watch(t, h.Registry, name)
	w.await(t, "a and b", ids(name+"-a", name+"-b"))
	a.cancel()
	if err := end(t, "Announce", a.ended); err != nil {
		t.Errorf("Announce returned %v, want nil", err)
	}
	w.await(t, "b", ids(name+"-b"))
}

func lostComesBack(t *testing.T, h Harness) {
	name := serviceName(t)
	a := announce(t, h.Registry, discovery.Announcement{Instance: instance(name, "a", 8000)})
	a.await(t, discovery.Registered)
	w := watch(t, h.Registry, name)
	w.await(t, "the instance", ids(name+"-a"))
	h.Forget(name + "-a")
	if e := a.await(t, discovery.Lost); e.Err == nil {
		t.Error("a Lost event has no reason")
	}
	a.await(t, discovery.Registered)
	w.await(t, "the instance", ids(name+"-a"))
}

func changedPutRight(t *testing.T, h Harness) {
	name := serviceName(t)
	want := instance(name, "a", 8000)
	want.Tags, want.Meta = []string{"right"}, map[string]string{"version": "1"}
	a := announce(t, h.Registry, discovery.Announcement{Instance: want})
	a.await(t, discovery.Registered)
	wrong := want
	wrong.Tags = []string{"wrong"}
	h.Put(wrong)
	a.await(t, discovery.Lost)
	a.await(t, discovery.Registered)
	watch(t, h.Registry, name).await(t, "the right tags", func(s discovery.Snapshot) bool {
		return ids(want.ID)(s) && slices.Equal(s.Instances[0].Tags, want.Tags)
	})
}

func idTakenOver(t *testing.T, h Harness) {
	name := serviceName(t)
	h.Put(instance(name, "a", 8000))
	w := watch(t, h.Registry, name)
	w.await(t, "the older process", ids(name+"-a"))
	announce(t, h.Registry, discovery.Announcement{Instance: instance(name, "a", 9000)})
	w.await(t, "the newer process alone", func(s discovery.Snapshot) bool {
		return ids(name+"-a")(s) && s.Instances[0].Port == 9000
	})
}

func announceWaits(t *testing.T, h Harness) {
	name := serviceName(t)
	h.Disconnect()
	a := announce(t, h.Registry, discovery.Announcement{Instance: instance(name, "a", 8000)})
	if e := a.await(t, discovery.Failed); e.Err == nil {
		t.Error("a Failed event has no reason")
	}
	h.Reconnect()
	a.await(t, discovery.Registered)
	w := watch(t, h.Registry, name)
	w.await(t, "the instance", ids(name+"-a"))
	h.Disconnect()
	a.await(t, discovery.Failed)
	h.Reconnect()
	w.await(t, "the instance", ids(name+"-a"))
}

func leaveBounded(t *testing.T, h Harness) {
	name := serviceName(t)
	never := announce(t, h.Registry, discovery.Announcement{Instance: instance(serviceName(t), "a", 8000), LeaveTimeout: time.Second})
	never.await(t, discovery.Registered)
	h.Disconnect()
	never.cancel()
	if err := end(t, "Announce while the registry is away", never.ended); err == nil {
		t.Error("Announce returned nil though it could not remove the instance")
	}
	late := announce(t, h.Registry, discovery.Announcement{Instance: instance(name, "a", 8000), LeaveTimeout: time.Second})
	late.await(t, discovery.Failed)
	late.cancel()
	if err := end(t, "Announce of an instance that was never registered", late.ended); err != nil {
		t.Errorf("Announce returned %v though there was nothing to remove", err)
	}
}

func invalidRefused(t *testing.T, h Harness) {
	h.Disconnect() // no input and output is needed to tell
	for field, spoil := range map[string]func(*discovery.Instance){
		"ID":             func(i *discovery.Instance) { i.ID = "" },
		"Service":        func(i *discovery.Instance) { i.Service = "" },
		"Port":           func(i *discovery.Instance) { i.Port = 0 },
		"Address":        func(i *discovery.Instance) { i.Address = "" },
		"Weight":         func(i *discovery.Instance) { i.Weight = -1 },
		"Meta":           func(i *discovery.Instance) { i.Meta = numbered(65) },
		"Meta[]":         func(i *discovery.Instance) { i.Meta = map[string]string{"": "1"} },
		"Meta[a.b]":      func(i *discovery.Instance) { i.Meta = map[string]string{"a.b": "1"} },
		"Meta[consul-x]": func(i *discovery.Instance) { i.Meta = map[string]string{"consul-x": "1"} },
		"Meta[long]":     func(i *discovery.Instance) { i.Meta = map[string]string{"long": strings.Repeat("x", 513)} },
		"Meta[binary]":   func(i *discovery.Instance) { i.Meta = map[string]string{"binary": "\xff"} },
		"Tags[1]":        func(i *discovery.Instance) { i.Tags = []string{"short", strings.Repeat("x", 256)} },
	} {
		refused(t, h, field, spoil)
	}
	refused(t, h, "Port", func(i *discovery.Instance) { i.Port = 65536 })
	refused(t, h, "Address", func(i *discovery.Instance) { i.Address = "0.0.0.0" })
	refused(t, h, "Address", func(i *discovery.Instance) { i.Address = "host:80" })
	refused(t, h, "Service", func(i *discovery.Instance) { i.Service = "a\nb" })
	refused(t, h, "Service", func(i *discovery.Instance) { i.Service = "a/../b" })
	refused(t, h, "ID", func(i *discovery.Instance) { i.ID = "a\xff" })
}

func refused(t *testing.T, h Harness, field string, spoil func(*discovery.Instance)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	i := instance(serviceName(t), "a", 8000)
	spoil(&i)
	var invalid *discovery.InvalidError
	if err := h.Registry.Announce(ctx, discovery.Announcement{Instance: i}); !errors.As(err, &invalid) || invalid.Field != field || invalid.Reason == "" {
		t.Errorf("Announce with a bad %s: %v, want an InvalidError that names it", field, err)
	}
}

func numbered(n int) map[string]string {
	meta := make(map[string]string, n)
	for i := range n {
		meta[fmt.Sprintf("key-%d", i)] = "1"
	}
	return meta
}
