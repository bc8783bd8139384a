package containers

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/engine"
	"github.com/pandakit/panda/internal/processid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNumbered(t *testing.T) {
	for name, want := range map[string]struct {
		prefix string
		number int
	}{
		"shop-rpc-2":       {"shop-rpc-", 2},
		"shop_rpc_12":      {"shop_rpc_", 12},
		"rpc":              {"rpc-", 1},
		"rpc-v2":           {"rpc-v2-", 1},
		"7":                {"7-", 1},
		"-7":               {"-7-", 1},
		"rpc-1234567":      {"rpc-1234567-", 1},
		"rpc-10.0":         {"rpc-10.0-", 1},
		"shop-rpc-1-2":     {"shop-rpc-1-2-", 1},
		"shop-rpc-blue--3": {"shop-rpc-blue--3-", 1},
	} {
		if prefix, number := numbered(name); prefix != want.prefix || number != want.number {
			t.Errorf("%s: got %q, %d", name, prefix, number)
		}
	}
}

func TestPortOf(t *testing.T) {
	for address, want := range map[string]uint16{":8080": 8080, "0.0.0.0:80": 80, "": 0, ":0": 0, "8080": 0, ":http": 0, ":65536": 0} {
		if got := portOf(address); got != want {
			t.Errorf("%q: got %d, want %d", address, got, want)
		}
	}
}

func container(env map[string]string) *engine.Container {
	return &engine.Container{
		ID: "0123456789abcdef", Name: "rpc-1", Service: "rpc", Env: env, NetworkMode: "front",
		Networks: map[string]netip.Addr{"front": netip.MustParseAddr("10.0.0.2"), "back": netip.MustParseAddr("fd00::2")},
	}
}

func TestRegistration(t *testing.T) {
	instances := []discovery.Instance{
		{ID: "a", Address: "10.0.0.9"}, {ID: "b", Address: "10.0.0.2"}, {ID: "c", Address: "::ffff:10.0.0.2"}, {ID: "d", Address: "host.example"},
	}
	for id, want := range map[string]string{"": "b", "a": "a", "unknown": "b"} {
		if got := registration(container(map[string]string{instanceVariable: id}), instances); got == nil || got.ID != want {
			t.Errorf("PANDA_INSTANCE %q: got %+v, want %s", id, got, want)
		}
	}
	if got := registration(container(nil), instances[3:]); got != nil {
		t.Errorf("got %+v of another", got)
	}
	if got := expected(container(map[string]string{addressVariable: ":8080"})); got != "10.0.0.2:8080" {
		t.Errorf("got %s", got)
	}
	if got := expected(container(nil)); got != "" {
		t.Errorf("without PANDA_ADDR: got %s", got)
	}
}

func TestMeans(t *testing.T) {
	c := container(map[string]string{instanceVariable: "blue"})
	for _, name := range []string{"rpc-1", "blue", "0123456789ab", "10.0.0.2:8080", "[fd00::2]:8080", "rpc-10.0.0.2-8080"} {
		if !means(name, c) {
			t.Errorf("%q does not mean it", name)
		}
	}
	for _, name := range []string{"", "rpc", "rpc-2", "0123456789", "10.0.0.20:8080", "rpc-10.0.0.20-8080", "web-10.0.0.2-8080"} {
		if means(name, c) {
			t.Errorf("%q means it", name)
		}
	}
	if means("", container(nil)) {
		t.Error("no name means it")
	}
}

func TestAlone(t *testing.T) {
	host := func(env map[string]string) *engine.Container {
		c := container(env)
		c.NetworkMode = "host"
		return c
	}
	for part, c := range map[string]*engine.Container{
		"it is found at PANDA_ADVERTISE=1.2.3.4:80":                        container(map[string]string{advertiseVariable: "1.2.3.4:80"}),
		"it listens on PANDA_ADDR=:8080 in the network of the host":        host(map[string]string{addressVariable: ":8080"}),
		"nothing but PANDA_INSTANCE tells which registered instance a con": host(nil),
	} {
		err := alone(c)
		if twice, ok := errors.AsType[*engine.NotTwiceError](err); !ok || twice.Advice == "" || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want %q", err, part)
		}
	}
	for _, c := range []*engine.Container{container(map[string]string{addressVariable: ":8080"}), host(map[string]string{instanceVariable: "rpc-1"})} {
		if err := alone(c); err != nil {
			t.Errorf("%+v: %v", c.Env, err)
		}
	}
}

func TestReplicas(t *testing.T) {
	for _, n := range []int{0, 101} {
		if err := Replicas("rpc", n); command.ExitCode(err) != command.ExitUsage {
			t.Errorf("%d: got %v", n, err)
		}
	}
	if err := Replicas("rpc", 100); err != nil {
		t.Error(err)
	}
}

func TestChange(t *testing.T) {
	f := &Fleet{prefix: "shop-rpc-", Config: Config{Image: "rpc:2"}, newest: *container(map[string]string{instanceVariable: "rpc-1"})}
	f.newest.Labels = map[string]string{engine.NumberLabel: "3"}
	one, two := f.change(4, 11), f.change(4, 0)
	if one.Name != "shop-rpc-4" || one.Labels[engine.NumberLabel] != "4" || one.Env[weightVariable] != "11" || !strings.HasPrefix(one.Env[instanceVariable], "shop-rpc-4-") {
		t.Errorf("got %+v", one)
	}
	if _, ok := two.Env[weightVariable]; ok || two.Env[instanceVariable] == one.Env[instanceVariable] {
		t.Errorf("without a weight: got %+v", two)
	}
	f.newest.Env, f.newest.Labels = nil, nil
	if plain := f.change(4, 0); len(plain.Env) != 0 || len(plain.Labels) != 0 {
		t.Errorf("of one that has neither: got %+v", plain)
	}
}

// TestLeft has a service that was to run three times after upgrades that were killed, and others.
func TestLeft(t *testing.T) {
	of := func(upgrade string, more ...func(*mark)) engine.Container {
		m := mark{Upgrade: upgrade, Replicas: 3}
		for _, change := range more {
			change(&m)
		}
		return engine.Container{Name: upgrade, Labels: map[string]string{upgradeLabel: m.String()}}
	}
	canary := func(m *mark) { m.Canary = true }
	plain := engine.Container{Name: "plain"}
	for name, test := range map[string]struct {
		live    []engine.Container
		wanted  int
		pattern string
	}{
		"none":                    {[]engine.Container{plain, plain}, 2, "plain"},
		"done":                    {[]engine.Container{of("a"), of("a")}, 2, "a"},
		"done and grown":          {[]engine.Container{of("a"), of("a"), of("a"), plain}, 4, "plain"},
		"a canary":                {[]engine.Container{plain, plain, plain, of("a", canary)}, 3, "plain"},
		"a canary by itself":      {[]engine.Container{of("a", canary)}, 1, "a"},
		"a canary and the new":    {[]engine.Container{of("a", canary), of("a"), of("a"), of("a")}, 3, "a"},
		"started":                 {[]engine.Container{plain, plain, plain, of("a"), of("a")}, 3, "a"},
		"drained":                 {[]engine.Container{plain, of("a"), of("a"), of("a")}, 3, "a"},
		"started after another":   {[]engine.Container{of("a"), of("a"), of("a"), of("b")}, 3, "b"},
		"fewer by hand":           {[]engine.Container{plain, of("a")}, 2, "a"},
		"what nobody has written": {[]engine.Container{plain, {Name: "x", Labels: map[string]string{upgradeLabel: "{"}}}, 2, "x"},
		"no number of its own":    {[]engine.Container{plain, of("a", func(m *mark) { m.Replicas = -1 })}, 1, "a"},
	} {
		if n, like := wanted(test.live), pattern(test.live); n != test.wanted || like.Name != test.pattern {
			t.Errorf("%s: got %d like %s, want %d like %s", name, n, like.Name, test.wanted, test.pattern)
		}
	}
	own := newMark()
	gone := own
	gone.Process.Started = "long ago"
	if own.killed(own.Host) || gone.killed("another") || mark.killed(mark{}, "") || !gone.killed(own.Host) {
		t.Error("a process that runs, that of another machine, or none is taken for one that was killed, or that one is not")
	}
	parent := own
	parent.Process = processid.Of(os.Getppid())
	if own.runs(own.Host) || gone.runs(own.Host) || parent.runs("another") || mark.runs(mark{}, "") || !parent.runs(own.Host) {
		t.Error("this process, one that is gone, that of another machine, or none is taken for another that runs, or that one is not")
	}
}

// A container that is started in place of another says of which upgrade it is, and has the weight of its own kind.
func TestChangeOfAnUpgrade(t *testing.T) {
	f := &Fleet{prefix: "rpc-", mark: mark{Upgrade: "b", Replicas: 2}, newest: *container(nil)}
	f.newest.Labels = map[string]string{upgradeLabel: mark{Upgrade: "a", Canary: true}.String()}
	for weight, canary := range map[int]bool{0: false, 7: true} {
		change := f.change(2, weight)
		got := markOf(&engine.Container{Labels: change.Labels})
		if got.Upgrade != "b" || got.Replicas != 2 || got.Canary != canary || (len(change.Unset) == 1) == canary {
			t.Errorf("weight %d: got %+v", weight, change)
		}
	}
	f.mark = mark{}
	if grown := f.change(3, 0); grown.Labels[upgradeLabel] != "" || len(grown.Labels) != 1 {
		t.Errorf("grown: got %+v", grown)
	}
}
