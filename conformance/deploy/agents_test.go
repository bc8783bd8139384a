package deploy_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/pandakit/panda/conformance/freeport"
	"github.com/pandakit/panda/conformance/realconsul"
)

// TestAgentsPodIsMadeAnew runs the agent of a node as Kubernetes does, kills it, and runs it again as the pod that takes its
// place: with another name and address, and without its data. It has to be one of the cluster at once, not when the
// old one's name is free again.
func TestAgentsPodIsMadeAnew(t *testing.T) {
	t.Parallel()
	for _, ip := range []string{"127.0.0.2", "127.0.0.3"} {
		listener, err := net.Listen("tcp", ip+":0")
		if err != nil {
			t.Skip("SKIPPED: pods need addresses of their own, and loopback has one here:", err)
		}
		_ = listener.Close() // it was a question
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server := realconsul.Start(t, realconsul.Options{})
	node := agentOfNode{
		args: agentArguments(t), ports: freeport.Find(t, 3),
		join: freeport.Local(members(ctx, t, server.Address())[0].Port),
	}
	kill := node.run(t, "consul-agent-aaaaa", "127.0.0.2")
	until(ctx, t, "the agent has joined", func() bool { return isAlive(ctx, t, server.Address(), "127.0.0.2") })
	kill()
	node.run(t, "consul-agent-bbbbb", "127.0.0.3")
	api := "127.0.0.3:" + strconv.Itoa(node.ports[0])
	until(ctx, t, "the second agent has joined", func() bool { return isAlive(ctx, t, api, "127.0.0.1") })
	until(ctx, t, "the first one is missed", func() bool {
		return len(members(ctx, t, server.Address())) > 0 && !isAlive(ctx, t, server.Address(), "127.0.0.2")
	})
	if !isAlive(ctx, t, server.Address(), "127.0.0.3") {
		t.Fatalf("the server does not know the second agent, but %v", members(ctx, t, server.Address()))
	}
	register(ctx, t, api)
	until(ctx, t, "what registers with the second agent is passing", func() bool {
		var list []json.RawMessage
		return json.Unmarshal([]byte(ask(ctx, "http://"+server.Address()+"/v1/health/service/orders?passing")), &list) == nil && len(list) == 1
	})
}

// agentOfNode is what all pods of the agent on a node have in common.
type agentOfNode struct {
	args  []string
	ports []int
	join  string
}

// agentArguments returns what the manifest has the agent started with.
func agentArguments(t *testing.T) []string {
	t.Helper()
	for _, object := range manifests(t, "shop") {
		if set, ok := object.(*appsv1.DaemonSet); ok && set.Name == "consul-agent" {
			return set.Spec.Template.Spec.Containers[0].Args
		}
	}
	t.Fatal("there is no agent")
	return nil
}

// run starts a pod's agent, with the places and ports of a test in place of a cluster's.
func (a *agentOfNode) run(t *testing.T, pod, ip string) (kill func()) {
	t.Helper()
	binary, err := realconsul.Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	fields := strings.NewReplacer("$(POD_NAME)", pod, "$(NODE_NAME)", "node-1", "$(POD_IP)", ip)
	var args []string
	for _, arg := range a.args {
		name, _, _ := strings.Cut(arg, "=")
		switch name {
		case "-data-dir":
			arg = name + "=" + filepath.Join(data, "data")
		case "-client":
			arg = name + "=" + ip
		case "-retry-join":
			arg = name + "=" + a.join
		case "-config-file":
			continue
		}
		args = append(args, fields.Replace(arg))
	}
	args = append(args, "-http-port="+strconv.Itoa(a.ports[0]), "-serf-lan-port="+strconv.Itoa(a.ports[1]),
		"-server-port="+strconv.Itoa(a.ports[2]), "-grpc-port=-1", "-dns-port=-1", "-retry-interval=1s")
	log, err := os.Create(filepath.Join(data, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = log.Close() // the agent has its own
	killed := false
	kill = func() {
		if killed {
			return
		}
		killed = true
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // killed
		if text, err := os.ReadFile(filepath.Join(data, "log")); t.Failed() && err == nil {
			t.Logf("%s:\n%s", pod, text)
		}
	}
	t.Cleanup(kill)
	return kill
}

type member struct {
	Name, Addr string
	Port       int
	Status     int // 1 is alive
}

// members asks an agent for those it knows; none while it does not answer.
func members(ctx context.Context, t *testing.T, api string) []member {
	t.Helper()
	var list []member
	_ = json.Unmarshal([]byte(ask(ctx, "http://"+api+"/v1/agent/members")), &list) // an error's text is none
	return list
}

func isAlive(ctx context.Context, t *testing.T, api, ip string) bool {
	t.Helper()
	return slices.ContainsFunc(members(ctx, t, api), func(m member) bool { return m.Addr == ip && m.Status == 1 })
}

func register(ctx context.Context, t *testing.T, api string) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+api+"/v1/agent/service/register", strings.NewReader(`{"Name": "orders"}`))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
}

func until(ctx context.Context, t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
