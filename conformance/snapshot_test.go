package conformance_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/internal/agent"
)

// TestSnapshotCommand drives Consul's own command against our agent, and holds that Consul restores what ours has saved,
// and that ours does not restore what Consul has saved, and says so.
func TestSnapshotCommand(t *testing.T) {
	path, err := realconsul.Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	consul := func(address string, args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), path, args...)
		command.Env = []string{"CONSUL_HTTP_ADDR=" + address, "PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir()}
		output, err := command.CombinedOutput()
		return string(output), err
	}
	a, err := agent.New(agent.Config{HTTPAddr: "127.0.0.1:0", Node: "ours", DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	theirAgent := realconsul.Start(t, realconsul.Options{})
	fill(t, a.URL())
	ours, theirs := filepath.Join(t.TempDir(), "ours.snap"), filepath.Join(t.TempDir(), "theirs.snap")
	for _, c := range []struct {
		address string
		args    []string
		want    string
		fails   bool
	}{
		{a.Addr().String(), []string{"snapshot", "save", ours}, "Saved and verified snapshot to index", false},
		{a.Addr().String(), []string{"snapshot", "inspect", "-kvdetails", ours}, "Register", false},
		{a.Addr().String(), []string{"snapshot", "restore", ours}, "Restored snapshot", false},
		{theirAgent.Address(), []string{"snapshot", "save", theirs}, "Saved and verified snapshot", false},
		{theirAgent.Address(), []string{"snapshot", "restore", ours}, "Restored snapshot", false},
		{a.Addr().String(), []string{"snapshot", "restore", theirs}, "this is a snapshot of Consul itself", true},
	} {
		output, err := consul(c.address, c.args...)
		if (err != nil) != c.fails || !strings.Contains(output, c.want) {
			t.Errorf("%v: %v\n%s", c.args, err, output)
		}
	}
	sameAfterRestore(t, a.URL(), "http://"+theirAgent.Address())
}

// fill writes something of each kind that a snapshot holds. The node outside has no agent, so that no agent takes it away.
func fill(t *testing.T, url string) {
	t.Helper()
	for _, put := range [][2]string{
		{"/v1/kv/config/a?flags=7", "value"}, {"/v1/kv/config/bytes", "\x00\xff\xfe"}, {"/v1/kv/a%20b/%C3%A9/", ""},
		{"/v1/catalog/register", `{"Node":"outside","Address":"10.0.0.9","ID":"11111111-2222-3333-4444-555555555555","NodeMeta":{"k":"v"},
			"TaggedAddresses":{"lan":"10.0.0.9"},
			"Service":{"ID":"db1","Service":"db","Tags":["a","b"],"Address":"10.0.0.9","Port":5432,"Meta":{"v":"2"},"EnableTagOverride":true,
				"Weights":{"Passing":5,"Warning":2},"TaggedAddresses":{"wan":{"Address":"1.2.3.4","Port":1}}},
			"Checks":[{"CheckID":"c1","Name":"up","Status":"passing","Output":"fine","ServiceID":"db1","Definition":{"TCP":"10.0.0.9:5432","Interval":"10s"}},
				{"CheckID":"c2","Name":"disk","Status":"warning","Notes":"n"}]}`},
		{"/v1/catalog/register", `{"Node":"outside","SkipNodeUpdate":true,"Service":{"ID":"front","Service":"front","Kind":"connect-proxy","Port":1,"Proxy":{
			"DestinationServiceName":"db","LocalServicePort":5432,"Mode":"transparent","Config":{"a":{"b":[1,2.5,"x",true]}},"MeshGateway":{"Mode":"local"},
			"Upstreams":[{"DestinationName":"x","LocalBindPort":9000,"Config":{"n":1}}],"Expose":{"Paths":[{"ListenerPort":2,"Path":"/"}]},
			"TransparentProxy":{"DialedDirectly":true}}}}`},
		{"/v1/catalog/register", `{"Node":"outside","SkipNodeUpdate":true,"Service":{"ID":"native","Service":"native","Connect":{"Native":true}}}`},
		{"/v1/config", `{"Kind":"service-defaults","Name":"db","Protocol":"http"}`},
		{"/v1/operator/autopilot/configuration", `{"MaxTrailingLogs":300}`},
		{"/v1/agent/service/register", `{"Name":"web","Port":80,"Check":{"TTL":"1h","Status":"passing"}}`},
		{"/v1/session/create", `{"Node":"outside","Name":"holder","NodeChecks":[],"TTL":"3600s","LockDelay":"3s","Behavior":"delete"}`},
	} {
		if status, body := ask(t, http.MethodPut, url+put[0], put[1]); status != http.StatusOK {
			t.Fatalf("PUT %s: %d %s", put[0], status, body)
		}
	}
}

// sameAfterRestore compares what lies in both agents outside of their own nodes.
func sameAfterRestore(t *testing.T, ours, theirs string) {
	t.Helper()
	for _, path := range []string{
		"/v1/kv/?recurse", "/v1/catalog/node/outside", "/v1/catalog/service/db", "/v1/catalog/connect/db", "/v1/catalog/connect/native", "/v1/health/node/outside", "/v1/session/node/outside",
	} {
		status, want := ask(t, http.MethodGet, ours+path, "")
		got, other := ask(t, http.MethodGet, theirs+path, "")
		if status != http.StatusOK || len(want) < 50 || got != status || plain(t, other) != plain(t, want) {
			t.Errorf("%s: ours %d\n%s\nConsul %d\n%s", path, status, plain(t, want), got, plain(t, other))
		}
	}
}

func ask(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(content)
}

// plain returns JSON with its fields in one order.
func plain(t *testing.T, text string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	ordered, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(ordered)
}
