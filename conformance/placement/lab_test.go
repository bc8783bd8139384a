package placement

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/conformance/dockerd"
	"github.com/pandakit/panda/conformance/drill/drillpb"
	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

const (
	image    = "panda-placement"
	patience = 20 * time.Second // a bound for what takes a second on an idle machine
	port     = "8080"
)

func TestMain(m *testing.M) {
	code := m.Run()
	dockerd.Stop()
	os.Exit(code)
}

// lab is an engine with the image of a service, a real Consul's binary, and two networks: the default route of a container
// that is on both leads through front, while the registry is on back.
type lab struct {
	engine *dockerd.Engine
	consul string // path of the binary
	front  string
	back   string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{engine: dockerd.Get(t), front: image + "-a-front", back: image + "-b-back"}
	var err error
	if l.consul, err = realconsul.Binary(t.Context()); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	dockerd.BuildStatic(t, "github.com/pandakit/panda/conformance/drill/service", filepath.Join(folder, "service"))
	dockerfile := "FROM scratch\nCOPY service /service\nENTRYPOINT [\"/service\"]\n"
	if err := os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		t.Fatal(err)
	}
	l.engine.Run(t, "build", "--quiet", "--tag", image, folder)
	l.atEnd(t, "rmi", "--force", image)
	l.engine.Run(t, "network", "create", l.front)
	l.atEnd(t, "network", "rm", l.front)
	l.engine.Run(t, "network", "create", "--ipv6", "--subnet", "fd00:7061:6e64::/64", l.back)
	l.atEnd(t, "network", "rm", l.back)
	return l
}

// atEnd runs docker when the test ends, whatever has become of it.
func (l *lab) atEnd(t *testing.T, args ...string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if out, err := l.engine.Command(ctx, args...).CombinedOutput(); err != nil {
			t.Errorf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	})
}

// container is one that a test has made; it is removed when the test ends.
type container struct {
	*lab
	name string
}

// create makes a container of the service; arguments are those of "docker create".
func (l *lab) create(t *testing.T, name string, arguments ...string) *container {
	t.Helper()
	return l.createOf(t, name, arguments, image)
}

func (l *lab) createOf(t *testing.T, name string, arguments []string, program ...string) *container {
	t.Helper()
	c := &container{l, image + "-" + name}
	l.engine.Run(t, append(append([]string{"create", "--name", c.name}, arguments...), program...)...)
	l.atEnd(t, "rm", "--force", "--volumes", c.name)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s says:\n%s", c.name, c.output(context.Background()))
		}
	})
	return c
}

// createAgent makes a container with a real Consul's agent.
func (l *lab) createAgent(t *testing.T, name string, arguments []string, flags ...string) *container {
	t.Helper()
	arguments = append([]string{"--volume", l.consul + ":/consul:ro", "--tmpfs", "/tmp", "--entrypoint", "/consul"}, arguments...)
	program := append([]string{
		image, "agent", `-bind={{ GetInterfaceIP "eth0" }}`, "-disable-host-node-id", "-log-level=warn", "-node=" + name, "-dns-port=-1",
		"-hcl=performance { raft_multiplier = 1 }",
		`-hcl=gossip_lan { probe_interval = "200ms" probe_timeout = "100ms" suspicion_mult = 1 }`,
	}, flags...)
	return l.createOf(t, name, arguments, program...)
}

func (c *container) start(t *testing.T) *container {
	t.Helper()
	c.engine.Run(t, "start", c.name)
	return c
}

func (c *container) output(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := c.engine.Command(ctx, "logs", c.name).CombinedOutput()
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// logs waits until the container has written text.
func (c *container) logs(t *testing.T, text string) {
	t.Helper()
	until(t, func() error {
		if out := c.output(t.Context()); !strings.Contains(out, text) {
			return fmt.Errorf("%s has not written %q", c.name, text)
		}
		return nil
	})
}

// endpoint is what the engine knows of a container's place in a network.
type endpoint struct {
	IPAddress         string
	GlobalIPv6Address string
	Gateway           string
}

func (c *container) on(t *testing.T, network string) endpoint {
	t.Helper()
	var networks map[string]endpoint
	if err := json.Unmarshal([]byte(c.engine.Run(t, "inspect", "--format", "{{json .NetworkSettings.Networks}}", c.name)), &networks); err != nil {
		t.Fatal(err)
	}
	return networks[network]
}

// registry is the server's, asked from outside the containers.
type registry struct {
	*consul.Registry

	client *api.Client
}

func newRegistry(t *testing.T, address string) *registry {
	t.Helper()
	r, err := consul.New(consul.Config{Addresses: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := api.NewClient(&api.Config{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	return &registry{r, client}
}

// instances returns the address of each instance that is passing, by ID.
func (r *registry) instances(t *testing.T, only func(id string) bool) map[string]string {
	t.Helper()
	entries, _, err := r.client.Health().Service("drill", "", true, nil)
	if err != nil {
		return nil // it is starting
	}
	found := make(map[string]string)
	for _, entry := range entries {
		if only(entry.Service.ID) {
			found[entry.Service.ID] = fmt.Sprintf("%s %d", entry.Service.Address, entry.Service.Port)
		}
	}
	return found
}

// await waits until an instance whose ID begins so is passing, and until it is at the host.
func (r *registry) await(t *testing.T, id, host string) {
	t.Helper()
	until(t, func() error {
		found := r.instances(t, func(other string) bool { return strings.HasPrefix(other, id) })
		for _, where := range found {
			if address, _, _ := strings.Cut(where, " "); address == host {
				return nil
			}
		}
		return fmt.Errorf("%s is registered as %v, want it at %s", id, found, host)
	})
}

// until waits until the condition holds.
func until(t *testing.T, condition func() error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal(err)
		}
	}
}

// answers calls the one instance with the ID, from outside the containers.
func (r *registry) answers(t *testing.T, id string) {
	t.Helper()
	conn, err := panda.Dial("drill", panda.WithRegistry(alone{r.Registry, id}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // it was for one call
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := drillpb.NewDrillClient(conn).Read(ctx, &drillpb.Request{}); err != nil {
		t.Errorf("call of %s: %v", id, err)
	}
}

// alone shows one instance of a registry.
type alone struct {
	discovery.Registry

	id string
}

// Watch implements [discovery.Registry].
func (a alone) Watch(ctx context.Context, service string, update func(discovery.Snapshot)) error {
	return a.Registry.Watch(ctx, service, func(s discovery.Snapshot) {
		var kept []discovery.Instance
		for _, i := range s.Instances {
			if strings.HasPrefix(i.ID, a.id) {
				kept = append(kept, i)
			}
		}
		s.Instances = kept
		update(s)
	})
}
