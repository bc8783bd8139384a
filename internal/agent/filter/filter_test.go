package filter_test

import (
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/agent/filter"
	"github.com/pandakit/panda/internal/consulwire"
)

func entry() *consulwire.ServiceEntry {
	return &consulwire.ServiceEntry{
		Node: &consulwire.Node{Node: "n1", Meta: map[string]string{"rack": "r1"}},
		Service: &consulwire.NodeService{
			ID: "web-1", Service: "web", Port: 80, SocketPath: "/run/web", Tags: []string{"v1", "blue"}, EnableTagOverride: true,
			TaggedAddresses: map[string]consulwire.ServiceAddress{"lan": {Address: "10.0.0.1", Port: 8080}},
			Weights:         consulwire.Weights{Passing: 3},
		},
		Checks: []*consulwire.HealthCheck{{Name: "a", Status: "passing"}, {Name: "b", Status: "critical"}},
	}
}

func TestFits(t *testing.T) {
	for expression, want := range map[string]bool{
		``:                                true,
		`Service.Port == 80`:              true,
		`Service.Port != 80`:              false,
		`Service.Service == "web"`:        true,
		`Service.Service contains "e"`:    true,
		`web in Service.Service`:          true,
		`v1 in Service.Tags`:              true,
		`v2 in Service.Tags`:              false,
		`"v2" not in Service.Tags`:        true,
		`Service.Tags contains blue`:      true,
		`Service.Tags not contains blue`:  false,
		`Service.Tags is empty`:           false,
		`Service.Tags is not empty`:       true,
		`Node.Meta.rack == r1`:            true,
		`Node.Meta["rack"] == r1`:         true,
		`Node.Meta.none == r1`:            false,
		`Node.Meta.none != r1`:            true,
		`Node.Meta.none matches r1`:       true, // as Consul answers
		`Node.Meta.none not matches r1`:   true,
		`rack in Node.Meta`:               true,
		`none in Node.Meta`:               false,
		`Service.Meta is empty`:           true,
		`Checks.Status == critical`:       true,
		`Checks.Status == warning`:        false,
		`Checks is empty`:                 false,
		`Node.Node matches "^n[0-9]$"`:    true,
		`Node.Node not matches "^x"`:      true,
		`not Node.Node == n1`:             false,
		`Node.Node == x or Node.Node==n1`: true,
		`Node.Node == n1 and (Service.Port == 1 or Service.ID == "web-1")`:                     true,
		`Service.EnableTagOverride == true`:                                                    true,
		`Service.Weights.Passing == 3`:                                                         true,
		`Service.TaggedAddresses.lan.Port == 8080`:                                             true,
		`Service.TaggedAddresses.wan.Port == 8080`:                                             false,
		`Service.Connect.Native == false`:                                                      true,
		`Service.SocketPath == "/run/web"`:                                                     true,
		`Service.SocketPath == "run/web"`:                                                      false,
		`Service.SocketPath == "/run" or Node.Node == "/" or "/run/web" in Service.SocketPath`: true,
	} {
		f, err := filter.Compile[consulwire.ServiceEntry](expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if got := f.Fits(entry()); got != want {
			t.Errorf("%s: %v, want %v", expression, got, want)
		}
		if got := len(f.Select([]*consulwire.ServiceEntry{entry()})) == 1; got != want {
			t.Errorf("%s: selected %v, want %v", expression, got, want)
		}
	}
}

func TestMistakes(t *testing.T) {
	for expression, want := range map[string]string{
		`Foo == 1`:                      `Selector "Foo" is not valid`,
		`Service.Foo.Bar == 1`:          `Selector "Service.Foo" is not valid`,
		`Service.CreateIndex == 1`:      `Selector "Service.CreateIndex" is not valid`,
		`Service.Port == x`:             `Failed to coerce value "x" for selector "Service.Port": strconv.ParseInt: parsing "x": invalid syntax`,
		`Service.Port is empty`:         `Invalid match operator "Is Empty" for selector "Service.Port"`,
		`Service.Tags == a`:             `Invalid match operator "Equal" for selector "Service.Tags"`,
		`Service == a`:                  `Invalid match operator "Equal" for selector "Service"`,
		`Checks contains a`:             `Invalid match operator "In" for selector "Checks"`,
		`Node.Node is nil`:              `Invalid match operator "Is Nil" for selector "Node.Node"`,
		`Node.Node matches "("`:         "Failed to compile regular expression \"(\": error parsing regexp: missing closing ): `(`",
		`Node.Node ==`:                  `no match found`,
		`(Node.Node == a`:               `Unmatched parentheses`,
		`"/Node/Node" == a`:             `Selector "Node/Node" is not valid`,
		`any Checks as c {c.Name == a}`: `any and all are not supported`,
		strings.Repeat(" ", 17<<10):     `longer than 16384 bytes`,
	} {
		_, err := filter.Compile[consulwire.ServiceEntry](expression)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "Failed to create boolean expression evaluator: ") {
			t.Errorf("%.60s: %v, want %s", expression, err, want)
		}
	}
}

// TestDeepNesting holds that an expression made to exhaust the parser ends in an error.
func TestDeepNesting(t *testing.T) {
	deep := strings.Repeat("(", 5000) + "Node.Node == a" + strings.Repeat(")", 5000)
	if _, err := filter.Compile[consulwire.ServiceEntry](deep); err == nil {
		t.Error("was read")
	}
}

// FuzzCompile holds that no expression makes the filter panic, neither when it is read nor when it is used.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{`Service.Port == 80`, `a in Service.Tags`, `Checks.Status != "x"`, `Node.Meta["a"] is empty`, `not (a==b)`, `"/Node/Node" == 1`, `all Checks as c {c.Name == a}`} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, expression string) {
		if compiled, err := filter.Compile[consulwire.ServiceEntry](expression); err == nil {
			compiled.Fits(entry())
			compiled.Fits(&consulwire.ServiceEntry{Node: &consulwire.Node{}, Service: &consulwire.NodeService{}})
		}
	})
}
