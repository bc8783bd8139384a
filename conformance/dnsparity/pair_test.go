package dnsparity

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/dnsapi"
	"github.com/pandakit/panda/internal/consulwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds one exchange.
const patience = 15 * time.Second

// options are the same twice: for ours and for Consul.
type options struct {
	ours   dnsapi.Config // without Addr and Catalog
	theirs []string      // HCL
}

// pair is a real Consul and our server over a copy of its catalog.
type pair struct{ ours, theirs string }

// start returns a pair that answers about what fill has registered with Consul.
func start(t *testing.T, o options, fill func(*consul)) pair {
	t.Helper()
	agent := realconsul.Start(t, realconsul.Options{Node: "n1", DNS: true, HCL: append([]string{"connect { enabled = false }"}, o.theirs...), Datacenter: o.ours.Datacenter})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c := &consul{t: t, url: "http://" + agent.Address(), client: &http.Client{Transport: transport}}
	fill(c)
	return pair{ours: serve(t, o.ours, c.copy()), theirs: agent.DNS()}
}

func serve(t *testing.T, cfg dnsapi.Config, state *catalog.Catalog) string {
	t.Helper()
	cfg.Addr, cfg.Catalog = "127.0.0.1:0", state
	if cfg.Datacenter == "" {
		cfg.Datacenter = "dc1"
	}
	server, err := dnsapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return server.Addr()
}

// compare sends the queries to both, one after the other.
func (p pair) compare(t *testing.T, queries []query) {
	for _, q := range queries {
		t.Run(q.String(), func(t *testing.T) {
			packet, err := q.packet()
			if err != nil {
				t.Fatal(err)
			}
			want := q.describe(q.exchange(t, p.theirs, packet, q.silent))
			got := q.describe(q.exchange(t, p.ours, packet, q.silent && q.differs == ""))
			switch {
			case got != want && q.differs == "":
				t.Errorf("ours:\n%s\nConsul:\n%s", got, want)
			case got == want && q.differs != "":
				t.Errorf("there is no difference to explain by %q:\n%s", q.differs, got)
			}
		})
	}
}

func (q query) exchange(t *testing.T, address string, packet []byte, silent bool) []byte {
	t.Helper()
	network := "udp"
	if q.tcp {
		network = "tcp"
	}
	conn, err := net.DialTimeout(network, address, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if q.tcp {
		packet = append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
	}
	if _, err := conn.Write(packet); err != nil {
		t.Fatal(err)
	}
	if silent {
		return probe(t, conn)
	}
	reply, err := receive(conn, q.tcp)
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	return reply
}

// receive returns the next answer; nil when the server closed the connection instead.
func receive(conn net.Conn, tcp bool) ([]byte, error) {
	reply := make([]byte, dns.MaxMsgSize)
	if !tcp {
		n, err := conn.Read(reply)
		return reply[:n], err
	}
	var length uint16
	if err := binary.Read(conn, binary.BigEndian, &length); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	_, err := io.ReadFull(conn, reply[:length])
	return reply[:length], err
}

// probe asks for something else until it is clear that what was asked before has no answer.
func probe(t *testing.T, conn net.Conn) []byte {
	t.Helper()
	const probes = 20
	for n := range probes {
		m := new(dns.Msg).SetQuestion("probe.", dns.TypeA)
		m.Id = uint16(0xff00 + n)
		packet, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(packet); err != nil {
			t.Fatal(err)
		}
		reply, err := receive(conn, false)
		if err != nil {
			t.Fatal(err)
		}
		if binary.BigEndian.Uint16(reply) != m.Id {
			return reply
		}
	}
	return nil
}

// consul is a real Consul that takes registrations.
type consul struct {
	t      *testing.T
	url    string
	client *http.Client
}

func (c *consul) put(path string, body any) {
	c.t.Helper()
	if answer := c.send(path, body); string(answer) == "" {
		c.t.Fatalf("PUT %s %v: no answer", path, body)
	}
}

func (c *consul) send(path string, body any) []byte {
	c.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPut, c.url+path, bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	return c.do(request)
}

func (c *consul) get(path string, into any) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.url+path, http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal(c.do(request), into); err != nil {
		c.t.Fatal(err)
	}
}

func (c *consul) do(request *http.Request) []byte {
	c.t.Helper()
	response, err := c.client.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		c.t.Fatalf("%s %s: %s %s %v", request.Method, request.URL, response.Status, answer, err)
	}
	return answer
}

// copy returns a catalog with all that Consul's has.
func (c *consul) copy() *catalog.Catalog {
	c.t.Helper()
	nodes := c.knownNodes()
	var services map[string][]string
	c.get("/v1/catalog/services", &services)
	state := catalog.New(1)
	err := state.Write(func(w *catalog.Writer) error {
		for _, node := range nodes {
			if err := w.SetNode(node); err != nil {
				return err
			}
		}
		for name := range services {
			var entries []struct {
				Node    *consulwire.Node
				Service *consulwire.NodeService
				Checks  []*consulwire.HealthCheck
			}
			c.get("/v1/health/service/"+name, &entries)
			for _, e := range entries {
				if err := w.SetInstance(&catalog.Instance{Node: e.Node.Node, NodeService: *e.Service}); err != nil {
					return err
				}
				for _, check := range e.Checks {
					if err := w.SetCheck(&catalog.Check{HealthCheck: *check}); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(fmt.Errorf("copy Consul's catalog: %w", err))
	}
	return state
}

// knownNodes returns all nodes once Consul's own has its meta, which it gets a moment after the start.
func (c *consul) knownNodes() []*consulwire.Node {
	c.t.Helper()
	for own := (consulwire.NodeServices{}); own.Node == nil || len(own.Node.Meta) == 0; {
		c.get("/v1/catalog/node/n1", &own)
	}
	var nodes []*consulwire.Node
	c.get("/v1/catalog/nodes", &nodes)
	return nodes
}
