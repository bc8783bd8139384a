package agent_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/internal/agent"
)

// TestDataDir holds that a restart keeps what was registered, the node's ID and the order of indexes.
func TestDataDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	a := start(t, agent.Config{DataDir: dir})
	a.register(t, ttl("web", "web1", "1h"))
	if _, err := a.client.Catalog().Register(&api.CatalogRegistration{Node: "other", Address: "10.0.0.2"}, nil); err != nil && !strings.Contains(err.Error(), "404") {
		t.Fatal(err)
	}
	entries, index := a.entries(t, "web", 0)
	_, err := agent.New(agent.Config{HTTPAddr: "127.0.0.1:0", Node: "n2", DataDir: dir})
	if err == nil || !strings.Contains(err.Error(), "uses it") {
		t.Errorf("a second agent: %v", err)
	}
	a.stop()

	a = start(t, agent.Config{DataDir: dir})
	again, later := a.entries(t, "web", 0)
	if len(again) != 1 || later <= index {
		t.Fatalf("%s at %d, after %s at %d", describe(again), later, describe(entries), index)
	}
	if before, after := entries[0], again[0]; after.Node.ID != before.Node.ID || after.Service.CreateIndex != before.Service.CreateIndex {
		t.Errorf("%+v %+v became %+v %+v", before.Node, before.Service, after.Node, after.Service)
	}
	if err := a.client.Agent().ServiceDeregister("web1"); err != nil {
		t.Error(err)
	}
	a.stop()
	a = start(t, agent.Config{DataDir: dir})
	if gone, _ := a.entries(t, "web", 0); len(gone) > 0 {
		t.Errorf("deregistered, and back after a restart: %s", describe(gone))
	}
}

// TestNodeRenamed holds that a node of another name and the same data dir is the same node, with what was registered.
func TestNodeRenamed(t *testing.T) {
	dir := t.TempDir()
	a := start(t, agent.Config{DataDir: dir})
	a.register(t, ttl("web", "web1", "1h"))
	before, _ := a.entries(t, "web", 0)
	a.stop()
	renamed, err := agent.New(agent.Config{HTTPAddr: "127.0.0.1:0", Node: "other", DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := renamed.Close(); err != nil {
		t.Fatal(err)
	}
	a = start(t, agent.Config{DataDir: dir}) // n1 again
	nodes, _, err := a.client.Catalog().Nodes(nil)
	if err != nil || len(nodes) != 1 || nodes[0].Node != "n1" || nodes[0].ID != before[0].Node.ID {
		t.Errorf("nodes %+v, %v", nodes, err)
	}
	after, _ := a.entries(t, "web", 0)
	if len(after) != 1 || after[0].Service.ID != "web1" || len(after[0].Checks) != 2 {
		t.Errorf("entries %s", describe(after))
	}
}

func TestDamagedDataDir(t *testing.T) {
	dir := t.TempDir()
	start(t, agent.Config{DataDir: dir}).stop()
	journals, err := filepath.Glob(filepath.Join(dir, "journal-*"))
	if err != nil || len(journals) != 1 {
		t.Fatal(journals, err)
	}
	if err := os.WriteFile(journals[0], []byte(strings.Repeat("?", 999)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = agent.New(agent.Config{HTTPAddr: "127.0.0.1:0", DataDir: dir})
	if err == nil || !strings.Contains(err.Error(), journals[0]+" is damaged at offset 0") || !strings.Contains(err.Error(), "curl -T FILE http://127.0.0.1:8500/v1/snapshot") {
		t.Errorf("got %v", err)
	}
}

// TestSnapshot saves what one agent has and restores it to another: what is registered there stays, and everyone who
// waits is woken.
func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	from, to := start(t, agent.Config{}), start(t, agent.Config{DataDir: dir})
	from.register(t, ttl("web", "web1", "1h"))
	saved, archive := from.do(t, http.MethodGet, "/v1/snapshot", "")
	if saved.StatusCode != http.StatusOK || saved.Header.Get("X-Consul-Index") == "" {
		t.Fatalf("%d %v", saved.StatusCode, saved.Header)
	}
	to.register(t, ttl("mine", "mine1", "1h"))
	_, index := to.entries(t, "mine", 0)
	woken := make(chan *http.Response, 1)
	go func() {
		answer, _ := to.do(t, http.MethodGet, "/v1/health/service/never?wait=1m&index="+saved.Header.Get("X-Consul-Index"), "")
		woken <- answer
	}()
	for name, body := range map[string]string{"not an archive": "x", "cut off": archive[:len(archive)-30], "changed": archive[:200] + "!" + archive[201:]} {
		if answer, text := to.do(t, http.MethodPut, "/v1/snapshot", body); answer.StatusCode != http.StatusInternalServerError || !strings.Contains(text, "snapshot") {
			t.Errorf("%s: %d %s", name, answer.StatusCode, text)
		}
	}
	if answer, text := to.do(t, http.MethodPut, "/v1/snapshot", archive); answer.StatusCode != http.StatusOK || text != "" {
		t.Fatalf("restore: %d %s", answer.StatusCode, text)
	}
	if answer := <-woken; answer.StatusCode != http.StatusOK {
		t.Errorf("the one who waited got %d", answer.StatusCode)
	}
	for range 2 { // before and after a restart
		mine, later := to.entries(t, "mine", 0)
		theirs, _ := to.entries(t, "web", 0)
		if len(mine) != 1 || len(theirs) != 0 || later <= index {
			t.Errorf("mine %s, theirs %s, index %d after %d", describe(mine), describe(theirs), later, index)
		}
		to.stop()
		to = start(t, agent.Config{DataDir: dir})
	}
}
