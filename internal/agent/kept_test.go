package agent_test

import (
	"bytes"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/internal/agent"
)

// TestKeptWithoutActingOnIt holds that config entries, coordinates and the configuration of autopilot are told as they were
// given, also after a restart and from a snapshot.
func TestKeptWithoutActingOnIt(t *testing.T) {
	cfg := agent.Config{DataDir: t.TempDir()}
	a := start(t, cfg)
	given := &api.ServiceResolverConfigEntry{
		Kind: api.ServiceResolver, Name: "web", DefaultSubset: "v_1", Meta: map[string]string{"a_b": "c"},
		Subsets: map[string]api.ServiceResolverSubset{"v_1": {Filter: "x == y", OnlyPassing: true}},
	}
	if ok, _, err := a.client.ConfigEntries().Set(given, nil); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if !strings.Contains(a.log.String(), "nothing here acts on it") {
		t.Errorf("no warning: %s", a.log)
	}
	if ok, err := a.client.Operator().AutopilotCASConfiguration(&api.AutopilotConfiguration{MaxTrailingLogs: 7, ModifyIndex: 1}, nil); err != nil || ok {
		t.Fatalf("an old index: %v, %v", ok, err)
	}
	if err := a.client.Operator().AutopilotSetConfiguration(&api.AutopilotConfiguration{MaxTrailingLogs: 300}, nil); err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"N1", "nobody"} {
		if response, text := a.do(t, "PUT", "/v1/coordinate/update", `{"Node":"`+node+`","Coord":{"Vec":[0,0,0,0,0,0,0,1],"Error":1,"Height":0.5}}`); response.StatusCode != http.StatusOK {
			t.Fatal(text)
		}
	}
	a.holdsWhatWasKept(t, given)
	saved, _, err := a.client.Snapshot().Save(nil)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	_, err = archive.ReadFrom(saved)
	if err = firstOf(err, saved.Close()); err != nil {
		t.Fatal(err)
	}
	a.stop()
	b := start(t, cfg)
	b.holdsWhatWasKept(t, given)
	if _, err := b.client.ConfigEntries().Delete(api.ServiceResolver, "web", nil); err != nil {
		t.Fatal(err)
	}
	if entries, _, err := b.client.ConfigEntries().List(api.ServiceResolver, nil); err != nil || len(entries) != 0 {
		t.Fatalf("after the deletion: %v, %v", entries, err)
	}
	if err := b.client.Snapshot().Restore(nil, &archive); err != nil {
		t.Fatal(err)
	}
	b.holdsWhatWasKept(t, given)
}

func (r *running) holdsWhatWasKept(t *testing.T, given *api.ServiceResolverConfigEntry) {
	t.Helper()
	entry, _, err := r.client.ConfigEntries().Get(api.ServiceResolver, "WEB", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := entry.(*api.ServiceResolverConfigEntry)
	if !ok || got.ModifyIndex == 0 {
		t.Fatalf("got %+v", entry)
	}
	got.CreateIndex, got.ModifyIndex = 0, 0
	if !reflect.DeepEqual(got, given) {
		t.Errorf("got %+v, want %+v", got, given)
	}
	if pilot, err := r.client.Operator().AutopilotGetConfiguration(nil); err != nil || pilot.MaxTrailingLogs != 300 || pilot.CleanupDeadServers {
		t.Errorf("autopilot: %+v, %v", pilot, err)
	}
	nodes, _, err := r.client.Coordinate().Nodes(nil)
	if err != nil || len(nodes) != 1 || nodes[0].Node != "n1" || nodes[0].Coord.Height != 0.5 || nodes[0].Coord.Vec[7] != 1 {
		t.Errorf("coordinates: %+v, %v", nodes, err)
	}
}

func TestAnswersOfWhatIsKept(t *testing.T) {
	a := start(t, agent.Config{})
	for _, c := range []struct {
		do, body string
		status   int
		want     string
	}{
		{"PUT /v1/config", `{"Kind":"service-defaults","Name":"web","external_sni":"s","mesh_gateway":{"mode":"local"},"n":12345678901234567890}`, 200, "true"},
		{"GET /v1/config/service-defaults/web", "", 200, `"ExternalSNI":"s","Kind":"service-defaults","MeshGateway":{"Mode":"local"}`},
		{"GET /v1/config/service-defaults/web", "", 200, `"N":12345678901234567890`},
		{"GET /v1/config/", "", 200, `[{"CreateIndex":`},
		{"PUT /v1/config?cas=0", `{"Kind":"service-defaults","Name":"web"}`, 200, "false"},
		{"PUT /v1/config?cas=0", `{"kind":"mesh"}`, 200, "true"},
		{"PUT /v1/config?cas=x", `{"kind":"mesh"}`, 500, "invalid syntax"},
		{"DELETE /v1/config/mesh/mesh?cas=1", "", 200, "false"},
		{"DELETE /v1/config/mesh/mesh?cas=x", "", 500, "invalid syntax"},
		{"DELETE /v1/config/mesh/mesh", "", 200, "{}"},
		{"PUT /v1/config", `{"Kind":"proxy-defaults","Name":"x"}`, 500, `invalid name ("x"), only "global" is supported`},
		{"PUT /v1/config", `{"Kind":"service-defaults"}`, 500, "Name is required"},
		{"PUT /v1/config", `{"Kind":"odd","Name":"x"}`, 400, "invalid config entry kind: odd"},
		{"PUT /v1/config", `{"Name":"x"}`, 400, "Payload does not contain a kind/Kind key"},
		{"PUT /v1/config", `[]`, 400, "Request decoding failed"},
		{"PUT /v1/coordinate/update", `{"Node":"n1","Coord":{"Vec":[0]}}`, 500, "incompatible coordinate"},
		{"GET /v1/coordinate/node/n1", "", 404, ""},
		{"PUT /v1/operator/autopilot/configuration?cas=", `{}`, 400, "Error parsing cas value"},
		{"GET /debug/pprof/", "", 404, "Invalid URL path"},
	} {
		method, path, _ := strings.Cut(c.do, " ")
		response, text := a.do(t, method, path, c.body)
		if response.StatusCode != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %d %q, want %d %q", c.do, c.body, response.StatusCode, text, c.status, c.want)
		}
	}
}

// TestDebugging holds that the process can be watched where that is asked for, for a bounded time, and not by pages of others.
func TestDebugging(t *testing.T) {
	a := start(t, agent.Config{Debug: true})
	for path, want := range map[string]struct {
		status int
		text   string
		header []string
	}{
		"/debug/pprof/":                          {200, "goroutine", nil},
		"/debug/pprof/goroutine?debug=1":         {200, "goroutine profile: total", nil},
		"/debug/pprof/heap?debug=1":              {200, "heap profile:", nil},
		"/debug/pprof/allocs?debug=1":            {200, "heap profile:", nil},
		"/debug/pprof/block?debug=1":             {200, "", nil},
		"/debug/pprof/mutex?debug=1":             {200, "", nil},
		"/debug/pprof/cmdline":                   {200, "agent.test", nil},
		"/debug/pprof/symbol":                    {200, "num_symbols", nil},
		"/debug/pprof/none":                      {404, "Unknown profile", nil},
		"/debug/pprof/profile?seconds=61":        {400, "?seconds is longer than 1m0s", nil},
		"/debug/pprof/trace?seconds=1e9":         {400, "?seconds is longer than 1m0s", nil},
		"/debug/pprof/heap?seconds=61":           {400, "?seconds is longer than 1m0s", nil},
		"/debug/pprof/trace?seconds=0.01":        {200, "go 1.", nil},
		"/debug/pprof/goroutine?debug=1&foreign": {403, "", []string{"Host", "evil.example"}},
	} {
		response, text := a.do(t, "GET", path, "", want.header...)
		if response.StatusCode != want.status || !strings.Contains(text, want.text) {
			t.Errorf("%s: %d %.200q, want %d %q", path, response.StatusCode, text, want.status, want.text)
		}
	}
}
