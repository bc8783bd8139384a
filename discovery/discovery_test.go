package discovery_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery"
)

func checks(statuses ...discovery.Status) []discovery.Check {
	all := make([]discovery.Check, len(statuses))
	for i, s := range statuses {
		all[i].Status = s
	}
	return all
}

func TestStatusIsTheWorstCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		checks []discovery.Check
		want   discovery.Status
	}{
		{nil, discovery.Passing},
		{checks(discovery.Passing, discovery.Warning, discovery.Passing), discovery.Warning},
		{checks(discovery.Critical, discovery.Warning), discovery.Critical},
		{checks(discovery.Critical, discovery.Maintenance), discovery.Maintenance},
		{checks(discovery.Maintenance, "unheard of"), "unheard of"},
	} {
		i := discovery.Instance{Checks: c.checks}
		if got := i.Status(); got != c.want || i.Usable() != (c.want == discovery.Passing) {
			t.Errorf("status of %v is %s, usable %v; want %s", c.checks, got, i.Usable(), c.want)
		}
	}
}

func TestSnapshotEqualSeesEveryField(t *testing.T) {
	t.Parallel()
	fresh := func() discovery.Snapshot {
		return discovery.Snapshot{Service: "orders", Registry: "r", Instances: []discovery.Instance{{
			ID: "a", Service: "orders", Address: "::1", Port: 1, Tags: []string{"t"}, Meta: map[string]string{"k": "v"},
			Weight: 1, Node: "n", Datacenter: "d", Distance: 1, Checks: []discovery.Check{{ID: "c", Output: "o"}},
		}}}
	}
	for name, change := range map[string]func(*discovery.Snapshot){
		"service": func(s *discovery.Snapshot) { s.Service = "x" }, "registry": func(s *discovery.Snapshot) { s.Registry = "x" },
		"error": func(s *discovery.Snapshot) { s.Err = errors.New("x") }, "number": func(s *discovery.Snapshot) { s.Instances = nil },
		"ID": func(s *discovery.Snapshot) { s.Instances[0].ID = "x" }, "name": func(s *discovery.Snapshot) { s.Instances[0].Service = "x" },
		"address": func(s *discovery.Snapshot) { s.Instances[0].Address = "x" }, "port": func(s *discovery.Snapshot) { s.Instances[0].Port = 2 },
		"tags": func(s *discovery.Snapshot) { s.Instances[0].Tags = nil }, "meta": func(s *discovery.Snapshot) { s.Instances[0].Meta["k"] = "x" },
		"weight": func(s *discovery.Snapshot) { s.Instances[0].Weight = 2 }, "node": func(s *discovery.Snapshot) { s.Instances[0].Node = "x" },
		"datacenter": func(s *discovery.Snapshot) { s.Instances[0].Datacenter = "x" }, "distance": func(s *discovery.Snapshot) { s.Instances[0].Distance = 2 },
		"output": func(s *discovery.Snapshot) { s.Instances[0].Checks[0].Output = "x" },
	} {
		a, b := fresh(), fresh()
		change(&b)
		if a.Equal(&b) || b.Equal(&a) {
			t.Errorf("a change of the %s is not seen", name)
		}
	}
	a, b := fresh(), fresh()
	a.Err, b.Err = errors.New("same"), errors.New("same")
	b.Since = time.Now()
	if !a.Equal(&b) {
		t.Error("the same errors since different times are not equal")
	}
}

func TestErrorsOfExplainUnwrap(t *testing.T) {
	t.Parallel()
	cause := errors.New("refused")
	away := discovery.Explain(discovery.Snapshot{Err: cause}, nil)
	ill := discovery.Explain(discovery.Snapshot{Err: cause, Instances: []discovery.Instance{{Checks: checks(discovery.Critical)}}}, nil)
	for _, err := range []error{away, ill} {
		if !errors.Is(err, cause) {
			t.Errorf("%v does not unwrap to its cause", err)
		}
	}
}

func TestUnusableErrorIsBounded(t *testing.T) {
	t.Parallel()
	err := discovery.Explain(discovery.Snapshot{Instances: make([]discovery.Instance, 1000)}, func(discovery.Instance) string { return "refused" })
	var unusable *discovery.UnusableError
	if !errors.As(err, &unusable) || len(unusable.Refused) != 1000 || !strings.HasSuffix(err.Error(), "; and 995 more") {
		t.Errorf("the error is %v, want five reasons in its text and all in its value", err)
	}
}
