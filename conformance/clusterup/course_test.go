package clusterup_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/conformance/dockerd"
)

// course are the course's three commands, word for word but for the addresses and folders.
func course(ip1, ip2, ip3, data, config string) [][]string {
	return [][]string{
		strings.Fields("agent -server -bootstrap-expect 2 -data-dir " + data + "1 -node=n1 -bind=" + ip1 + " -ui -config-dir " + config + " -rejoin -join " + ip1 + " -client 0.0.0.0"),
		strings.Fields("agent -server -bootstrap-expect 2 -data-dir " + data + "2 -node=n2 -bind=" + ip2 + " -ui -rejoin -join " + ip1),
		strings.Fields("agent -data-dir " + data + "3 -node=n3 -bind=" + ip3 + " -config-dir " + config + " -rejoin -join " + ip1),
	}
}

// definition is a service as the course registers it, with a file.
const definition = `{"service": {"name": "web", "tags": ["master"], "address": "10.0.0.9", "port": 50052}}`

// three returns nil once an agent sees three members alive.
func three(of *api.Client) error {
	members, err := of.Agent().Members(false)
	if err != nil {
		return err
	}
	alive := 0
	for _, m := range members {
		if m.Status == 1 {
			alive++
		}
	}
	if alive != 3 {
		return fmt.Errorf("%d members of %d are alive, want 3", alive, len(members))
	}
	return nil
}

func TestCourseOnThreeHosts(t *testing.T) {
	t.Parallel()
	lab := newLab(t, "pcc", "10.77.102.0/24", "n1", "n2", "n3")
	folder := t.TempDir()
	config := filepath.Join(folder, "consul.d")
	if err := os.Mkdir(config, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(config, "web.json"), []byte(definition), 0o600); err != nil {
		t.Fatal(err)
	}
	address := func(host string) string { return lab.Address(host).String() }
	n1 := client(t, "http://"+address("n1")+":8500", "", "")
	for i, args := range course(address("n1"), address("n2"), address("n3"), filepath.Join(folder, "data"), config) {
		host := lab.Hosts()[i]
		cmd := lab.Command(t.Context(), host, binary(t), args...)
		var output strings.Builder
		cmd.Stdout, cmd.Stderr = &output, &output
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if t.Failed() {
				t.Logf("%s:\n%s", host, output.String())
			}
		})
		eventually(t, func() error { // -join ends an agent when nobody answers: the first must be there
			_, err := n1.Agent().Members(false)
			return err
		})
	}
	eventually(t, func() error { return three(n1) })
	eventually(t, func() error {
		services, _, err := n1.Catalog().Service("web", "", nil)
		if err == nil && len(services) != 2 {
			err = fmt.Errorf("web is on %d nodes, want n1 and n3", len(services))
		}
		return err
	})
	out, err := lab.Command(t.Context(), "n3", binary(t), "members").CombinedOutput()
	if err != nil || strings.Count(string(out), " alive ") != 3 {
		t.Errorf("consul members on n3: %v\n%s", err, out)
	}
}

// TestCourseInContainers has the three agents, and a service that registers with the client agent, in containers of one
// network.
func TestCourseInContainers(t *testing.T) {
	t.Parallel()
	engine := dockerd.Get(t)
	folder := t.TempDir()
	dockerd.BuildStatic(t, "../drill/service", filepath.Join(folder, "drill"))
	image(t, engine, folder, "panda-clusterup-drill", "FROM scratch\nCOPY drill /drill\nENTRYPOINT [\"/drill\"]\n")
	consul, err := os.ReadFile(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "consul"), consul, 0o700); err != nil {
		t.Fatal(err)
	}
	image(t, engine, folder, "panda-clusterup-consul", "FROM scratch\nCOPY consul /consul\nENTRYPOINT [\"/consul\"]\n")
	const network = "panda-clusterup"
	remove := func() {
		for _, args := range [][]string{
			{"rm", "--force", "--volumes", network + "-n1", network + "-n2", network + "-n3", network + "-drill"},
			{"network", "rm", network},
		} {
			_ = engine.Command(context.WithoutCancel(t.Context()), args...).Run() // there may be none
		}
	}
	remove()
	t.Cleanup(func() {
		remove()
		_ = engine.Command(context.WithoutCancel(t.Context()), "rmi", "--force", "panda-clusterup-drill", "panda-clusterup-consul").Run() // they may not have come to be
	})
	engine.Run(t, "network", "create", "--subnet", "10.77.103.0/24", network)
	for i, args := range course("10.77.103.11", "10.77.103.12", "10.77.103.13", "/tmp/consul", "/") {
		if i == 2 {
			args = append(args, "-client", "0.0.0.0") // services are in containers of their own
		}
		name := fmt.Sprintf("n%d", i+1)
		engine.Run(t, append([]string{"run", "--detach", "--name", network + "-" + name, "--network", network, "--ip", "10.77.103.1" + name[1:],
			"panda-clusterup-consul"}, withoutConfig(args)...)...)
		eventually(t, func() error {
			_, err := client(t, "http://10.77.103.11:8500", "", "").Agent().Members(false)
			return err
		})
	}
	n1 := client(t, "http://10.77.103.11:8500", "", "")
	eventually(t, func() error { return three(n1) })
	engine.Run(t, "run", "--detach", "--name", network+"-drill", "--network", network, "--ip", "10.77.103.20",
		"--env", "CONSUL_HTTP_ADDR=10.77.103.13:8500", "--env", "PANDA_ADDR=:8080", "panda-clusterup-drill")
	eventually(t, func() error { return found(n1, "drill", "10.77.103.20:8080") })
}

// withoutConfig leaves out the folder of definitions, which an image of nothing but Consul has not.
func withoutConfig(args []string) []string {
	var kept []string
	for i := 0; i < len(args); i++ {
		if args[i] == "-config-dir" {
			i++
			continue
		}
		kept = append(kept, args[i])
	}
	return kept
}

func image(t *testing.T, engine *dockerd.Engine, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	engine.Run(t, "build", "--quiet", "--tag", name, folder)
}
