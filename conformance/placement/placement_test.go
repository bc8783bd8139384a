package placement

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/pandakit/panda/conformance/freeport"
)

// TestPlacement starts a service that is on two networks before there is a registry; the other cases share that.
func TestPlacement(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	early := l.create(t, "early", "--network", l.front, "--env", "CONSUL_HTTP_ADDR="+image+"-server:8500", "--env", "PANDA_INSTANCE=early", "--env", "PANDA_ADDR=:"+port)
	l.engine.Run(t, "network", "connect", l.back, early.name)
	early.start(t).logs(t, "decided once the registry answers")

	server := l.createAgent(t, "server", []string{"--network", l.back}, "-dev", "-client=::").start(t)
	at := server.on(t, l.back)
	r := newRegistry(t, net.JoinHostPort(at.IPAddress, "8500"))
	c := &cases{lab: l, registry: r, server: at, byName: "CONSUL_HTTP_ADDR=" + server.name + ":8500"}

	t.Run("two networks, before the registry", func(t *testing.T) {
		t.Parallel()
		r.await(t, "early", early.on(t, l.back).IPAddress)
		r.answers(t, "early")
	})
	t.Run("host network", func(t *testing.T) { t.Parallel(); c.hostNetwork(t) })
	t.Run("IPv6", func(t *testing.T) { t.Parallel(); c.ipv6(t) })
	t.Run("published port", func(t *testing.T) { t.Parallel(); c.published(t) })
	t.Run("beside an agent", func(t *testing.T) { t.Parallel(); c.besideAgent(t) })
	t.Run("made anew", func(t *testing.T) { t.Parallel(); c.madeAnew(t) })
	t.Run("left behind", func(t *testing.T) { t.Parallel(); c.prune(t) })
	t.Run("two of one name", func(t *testing.T) { t.Parallel(); c.twins(t) })
}

type cases struct {
	*lab
	*registry

	server endpoint
	byName string // the variable that has the registry, as containers of the back network find it
}

// hostNetwork is a container without a network of its own: others reach it by the machine's side of their bridge.
func (c *cases) hostNetwork(t *testing.T) {
	c.create(t, "host", "--network", "host", "--env", "CONSUL_HTTP_ADDR="+c.server.IPAddress+":8500", "--env", "PANDA_INSTANCE=host").start(t)
	c.await(t, "host", c.server.Gateway)
	c.answers(t, "host")
}

func (c *cases) ipv6(t *testing.T) {
	six := c.create(t, "six", "--network", c.back, "--env", "CONSUL_HTTP_ADDR=["+c.server.GlobalIPv6Address+"]:8500", "--env", "PANDA_INSTANCE=six").start(t)
	c.await(t, "six", six.on(t, c.back).GlobalIPv6Address)
	c.answers(t, "six")
}

// published is behind NAT: only who runs the container knows where others reach it.
func (c *cases) published(t *testing.T) {
	free := strconv.Itoa(freeport.Find(t, 1)[0])
	outside := net.JoinHostPort(c.server.Gateway, free)
	c.create(t, "nat", "--network", c.front, "--publish", outside+":"+port, "--env", "PANDA_ADVERTISE="+outside,
		"--env", "PANDA_ADDR=:"+port, "--env", "CONSUL_HTTP_ADDR="+c.server.IPAddress+":8500", "--env", "PANDA_INSTANCE=nat")
	c.engine.Run(t, "network", "connect", c.back, image+"-nat")
	c.engine.Run(t, "start", image+"-nat")
	c.await(t, "nat", c.server.Gateway)
	c.answers(t, "nat")
}

// besideAgent is a pod: an agent that is asked on loopback, or by a socket, though callers are elsewhere.
func (c *cases) besideAgent(t *testing.T) {
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o777); err != nil { // for a socket that containers share
		t.Fatal(err)
	}
	shared := []string{"--volume", folder + ":/run/consul"}

	first := c.create(t, "pod-first", "--network", c.back, "--env", "PANDA_INSTANCE=pod-first").start(t)
	first.logs(t, "decided once the registry answers") // on loopback so far
	pod := "container:" + first.name
	c.createAgent(t, "pod-agent", append(shared, "--network", pod), "-data-dir=/tmp", "-retry-join="+c.server.IPAddress,
		`-hcl=addresses { http = "127.0.0.1 unix:///run/consul/http.sock" }`, `-hcl=unix_sockets { mode = "777" }`).start(t)
	address := first.on(t, c.back).IPAddress
	c.await(t, "pod-first", address)
	c.answers(t, "pod-first")

	c.create(t, "pod-second", "--network", pod, "--env", "PANDA_ADDR=:9001", "--env", "PANDA_INSTANCE=pod-second").start(t)
	c.await(t, "pod-second", address)
	c.answers(t, "pod-second")

	socket := c.create(t, "socket", append(shared, "--network", c.back, "--env", "CONSUL_HTTP_ADDR=unix:///run/consul/http.sock", "--env", "PANDA_INSTANCE=socket")...).start(t)
	c.await(t, "socket", socket.on(t, c.back).IPAddress)
	c.answers(t, "socket")

	loopback := c.create(t, "pod-loopback", "--network", pod, "--env", "PANDA_ADDR=127.0.0.1:9002").start(t)
	loopback.logs(t, "its registry's agent is "+address+" to others; set PANDA_ADDR")

	// A process that comes back under another ID, but on the same port: what the earlier one left behind is gone at once.
	c.engine.Run(t, "kill", "--signal", "KILL", image+"-pod-second")
	c.create(t, "pod-third", "--network", pod, "--env", "PANDA_ADDR=:9001", "--env", "PANDA_INSTANCE=pod-third").start(t)
	c.await(t, "pod-third", address)
	until(t, func() error {
		if left := c.instances(t, func(id string) bool { return id == "pod-second" }); len(left) > 0 {
			return fmt.Errorf("%v is still there", left)
		}
		return nil
	})
}

// madeAnew is a container with a name that is killed and made anew: it is the same instance at another address.
func (c *cases) madeAnew(t *testing.T) {
	arguments := []string{"--network", c.back, "--hostname", "orders-1", "--env", c.byName, "--env", "PANDA_ADDR=:" + port}
	const id = "drill-orders-1-" + port
	before := c.create(t, "anew-before", arguments...).start(t)
	c.await(t, id, before.on(t, c.back).IPAddress)
	c.engine.Run(t, "kill", "--signal", "KILL", before.name)
	after := c.create(t, "anew-after", arguments...).start(t)
	address := after.on(t, c.back).IPAddress
	c.await(t, id, address)
	if found := c.instances(t, func(other string) bool { return strings.HasPrefix(other, "drill-orders-1") }); len(found) != 1 {
		t.Errorf("instances %v, want the new one alone", found)
	}
	c.answers(t, id)
}

// twins are two live containers to which a person has given one name.
func (c *cases) twins(t *testing.T) {
	arguments := []string{"--network", c.back, "--hostname", "twin", "--env", c.byName, "--env", "PANDA_ADDR=:" + port}
	const id = "drill-twin-" + port
	first := c.create(t, "twin-first", arguments...).start(t)
	address := first.on(t, c.back).IPAddress
	c.await(t, id, address)
	second := c.create(t, "twin-second", arguments...).start(t)
	other := second.on(t, c.back).IPAddress
	own := "drill-" + other + "-" + port
	c.await(t, own, other)
	c.await(t, id, address)
	second.logs(t, `registers as \"`+own+`\"`)
	c.answers(t, own)
	c.answers(t, id)
}
