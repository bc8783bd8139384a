package check

import (
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/pandakit/panda/internal/consulwire"
)

func checkOf(id, service, status string) *consulwire.HealthCheck {
	return &consulwire.HealthCheck{Node: "n1", CheckID: id, Name: id, ServiceID: service, Status: status, Output: "it is " + status}
}

func TestAlias(t *testing.T) {
	own, web, other := checkOf("node", "", "passing"), checkOf("web", "web", "passing"), checkOf("db", "db", "critical")
	warning := checkOf("slow", "web", "warning")
	sick := checkOf("disk", "", "critical")
	for name, test := range map[string]struct {
		d        Definition
		followed Followed
		want     Result
	}{
		"an instance without checks": {Definition{AliasService: "web"}, Followed{Exists: true}, Result{"passing", "No checks found."}},
		"nothing of that ID":         {Definition{AliasService: "x"}, Followed{Checks: []*consulwire.HealthCheck{own, web}}, Result{"critical", "Service x could not be found on node "}},
		"all is well":                {Definition{AliasService: "web"}, Followed{Checks: []*consulwire.HealthCheck{own, web, other}, Exists: true}, Result{"passing", "All checks passing."}},
		"one is warning":             {Definition{AliasService: "web"}, Followed{Checks: []*consulwire.HealthCheck{warning, web}, Exists: true}, Result{"warning", `Aliased check "slow" failing: it is warning`}},
		"the node is critical":       {Definition{AliasService: "web"}, Followed{Checks: []*consulwire.HealthCheck{warning, sick}, Exists: true}, Result{"critical", `Aliased check "disk" failing: it is critical`}},
		"a node":                     {Definition{AliasNode: "N1"}, Followed{Checks: []*consulwire.HealthCheck{own, other}}, Result{"passing", "All checks passing."}},
		"another node's checks":      {Definition{AliasNode: "n2"}, Followed{Checks: []*consulwire.HealthCheck{own}}, Result{"critical", "Service  could not be found on node n2"}},
	} {
		if got := test.d.alias(&test.followed); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

func TestAliasFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to told
		status, changed := "passing", make(chan struct{})
		m := NewMonitor(Config{Report: to.report, Overdue: to.late, Logger: slog.New(slog.DiscardHandler), Follow: func(string, Definition) Followed {
			return Followed{Checks: []*consulwire.HealthCheck{checkOf("web", "web", status)}, Exists: true, Changed: changed}
		}})
		defer m.Close()
		m.Start("alias", Definition{AliasService: "web"}, Result{Status: consulwire.Critical})
		synctest.Wait()
		if got := to.last(); got != (Result{"passing", "All checks passing."}) {
			t.Fatalf("at once: %+v", got)
		}
		before := changed
		status, changed = "critical", make(chan struct{})
		close(before)
		synctest.Wait()
		if got := to.last().Status; got != "critical" {
			t.Errorf("after a change: %s", got)
		}
	})
}
