package prune

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/cli/agentapi"
	"github.com/pandakit/panda/internal/cli/command"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAsk(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]bool{"\r": false, "y\r": true, " YES \r": true, "n\r": false, "yep\r": false} {
		var shown bytes.Buffer
		got, err := ask(both{strings.NewReader(typed), &shown}, 3)
		if err != nil || got != want || !strings.Contains(shown.String(), "Remove 3 registrations? [y/N] ") {
			t.Errorf("typed %q: got %v, %v, want %v; shown %q", typed, got, err, want, shown.String())
		}
	}
	for _, typed := range []string{"", "\x03", "\x04"} {
		if got, err := ask(both{strings.NewReader(typed), new(bytes.Buffer)}, 1); got || err == nil || err.Error() != "interrupted; nothing was removed" {
			t.Errorf("typed %q: got %v, %v, want that it was interrupted", typed, got, err)
		}
	}
}

// cluster is what one agent says of a cluster. All addresses are silent but those that answer.
type cluster struct {
	mu      sync.Mutex
	entries []entry
	members []member
	changes []string // method, path and body of each
	refuse  string   // the path of what is refused
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var answer any
	switch {
	case r.URL.Path == c.refuse:
		http.Error(w, "Permission denied", http.StatusForbidden)
		return
	case r.Method == http.MethodPut:
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		c.changes = append(c.changes, strings.TrimSpace(r.URL.Path+" "+body.String()))
		if strings.HasSuffix(r.URL.Path, "/phantom") {
			http.Error(w, `Unknown service ID "phantom". Ensure that the service ID is passed, not the service name.`, http.StatusNotFound)
		}
		return
	case r.URL.Path == "/v1/agent/self":
		answer = map[string]any{"Config": map[string]any{"NodeName": "here"}}
	case r.URL.Path == "/v1/agent/members":
		answer = c.members
	case r.URL.Path == "/v1/catalog/services":
		answer = map[string][]string{"consul": {}, "web": {"v1"}}
	default:
		answer = c.entries
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(err)
	}
}

func instanceOn(node, id, status string) entry {
	var e entry
	e.Node.Node, e.Node.Address = node, "10.0.0.1"
	e.Service.ID, e.Service.Service, e.Service.Port = id, "web", 80
	e.Checks = append(e.Checks, struct{ CheckID, Status, Output string }{"service:" + id, status, "TTL expired"})
	return e
}

func newPruner(t *testing.T, c *cluster) *pruner {
	t.Helper()
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	flags := agentapi.AddFlags(pflag.NewFlagSet("", pflag.ContinueOnError))
	env := &command.Env{Getenv: func(name string) string {
		if name == "CONSUL_HTTP_ADDR" {
			return server.Listener.Addr().String()
		}
		return ""
	}}
	agent, err := flags.Connect(env)
	if err != nil {
		t.Fatal(err)
	}
	return &pruner{agent: agent, knock: func(_ context.Context, address string) error {
		if strings.HasSuffix(address, ":81") {
			return nil
		}
		return errors.New("connection refused")
	}}
}

func TestLooksOnlyAtWhatIsCriticalAndSilent(t *testing.T) {
	t.Parallel()
	answers, portless, maintained := instanceOn("here", "answers", "critical"), instanceOn("here", "portless", "critical"), instanceOn("here", "maintained", "critical")
	answers.Service.Port, portless.Service.Port = 81, 0
	maintained.Checks = append(maintained.Checks, struct{ CheckID, Status, Output string }{"_service_maintenance:maintained", "critical", ""})
	c := &cluster{entries: []entry{instanceOn("here", "passing", "passing"), instanceOn("here", "warned", "warning"), answers, portless, maintained, instanceOn("here", "left", "critical")}}
	found, err := newPruner(t, c).look(t.Context(), "")
	if err != nil || len(found) != 1 || found[0].ID != "left" || found[0].Address != "10.0.0.1:80" || found[0].Reason != "TTL expired; connection refused" {
		t.Errorf("got %+v, %v, want the one that is left", found, err)
	}
}

func TestRemovesWhereTheOwnerIs(t *testing.T) {
	t.Parallel()
	c := &cluster{
		entries: []entry{instanceOn("here", "a", "critical"), instanceOn("lost", "b", "critical"), instanceOn("gone", "c", "critical"), instanceOn("left", "d", "critical"), instanceOn("away", "e", "critical"), instanceOn("here", "phantom", "critical"), instanceOn("moved", "f", "critical")},
		members: []member{{"here", "10.0.0.1", 1}, {"lost", "10.0.0.2", 4}, {"left", "10.0.0.3", 3}, {"away", "127.0.0.77", 1}, {"moved", "127.0.0.1", 1}},
	}
	for failedAgents, want := range map[bool][]string{
		false: {
			"/v1/agent/service/deregister/a", `/v1/catalog/deregister {"Node":"gone","ServiceID":"c"}`, `/v1/catalog/deregister {"Node":"left","ServiceID":"d"}`,
			"/v1/agent/service/deregister/phantom", `/v1/catalog/deregister {"Node":"here","ServiceID":"phantom"}`,
		},
		true: {
			"/v1/agent/service/deregister/a", `/v1/catalog/deregister {"Node":"lost","ServiceID":"b"}`, `/v1/catalog/deregister {"Node":"gone","ServiceID":"c"}`,
			`/v1/catalog/deregister {"Node":"left","ServiceID":"d"}`, "/v1/agent/service/deregister/phantom", `/v1/catalog/deregister {"Node":"here","ServiceID":"phantom"}`,
		},
	} {
		p := newPruner(t, c)
		p.failedAgents = failedAgents
		found, err := p.look(t.Context(), "web")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.plan(t.Context(), found); err != nil {
			t.Fatal(err)
		}
		c.changes = nil
		p.removeAll(t.Context(), found)
		if !slices.Equal(c.changes, want) {
			t.Errorf("failedAgents %v: asked for\n%s\nwant\n%s", failedAgents, strings.Join(c.changes, "\n"), strings.Join(want, "\n"))
		}
		for _, l := range found {
			if l.Error != "" || l.Removed == (l.Kept != "") {
				t.Errorf("%s: %+v", l.ID, l)
			}
			if l.ID == "e" && !strings.Contains(l.Kept, "cannot be asked from here (connection refused); run \"panda prune\" on away") ||
				l.ID == "f" && !strings.Contains(l.Kept, "is the agent of here; run") {
				t.Errorf("%s is kept because %s", l.ID, l.Kept)
			}
		}
	}
}

func TestRemovesNothingThatHasComeBack(t *testing.T) {
	t.Parallel()
	c := &cluster{entries: []entry{instanceOn("here", "a", "critical"), instanceOn("here", "b", "critical"), instanceOn("here", "c", "critical")}, members: []member{{"here", "10.0.0.1", 1}}}
	p := newPruner(t, c)
	found, err := p.look(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.plan(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.entries[0].Checks[0].Status = "passing"
	c.entries[1].Service.Address = "10.0.0.9" // made anew under the same ID
	c.refuse = "/v1/agent/service/deregister/c"
	c.mu.Unlock()
	p.removeAll(t.Context(), found)
	if len(c.changes) != 0 || found[0].Kept == "" || found[1].Kept == "" || !strings.Contains(found[2].Error, "403 (Permission denied)") {
		t.Errorf("asked for %q; %+v %+v %+v", c.changes, found[0], found[1], found[2])
	}
}

func TestTokenThatSeesNoMembers(t *testing.T) {
	t.Parallel()
	p := newPruner(t, &cluster{entries: []entry{instanceOn("other", "a", "critical")}})
	found, err := p.look(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.plan(t.Context(), found); err == nil || !strings.Contains(command.Advice(err), "node:read") {
		t.Errorf("got %v, want advice on the token", err)
	}
}
