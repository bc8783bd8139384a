package consul_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

// services is an agent's own view of services, which a test can spoil.
type services struct {
	record

	mu         sync.Mutex
	registered map[string]map[string]any
	forget     int    // answer to an update of a check, instead of 200
	forgetText string // and its body
	updates    []string
}

func newServices() *services { return &services{registered: make(map[string]map[string]any)} }

func (s *services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.add(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case strings.HasSuffix(r.URL.Path, "/register"):
		var service map[string]any
		if err := json.NewDecoder(r.Body).Decode(&service); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		service["Service"] = service["Name"]
		s.registered[service["ID"].(string)] = service
	case strings.Contains(r.URL.Path, "/check/update/"):
		s.update(w, r)
	case s.registered[id] == nil:
		http.Error(w, "unknown service ID", http.StatusNotFound)
	case strings.Contains(r.URL.Path, "/deregister/"):
		delete(s.registered, id)
	default:
		if err := json.NewEncoder(w).Encode(s.registered[id]); err != nil {
			panic(err)
		}
	}
}

func (s *services) update(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.updates = append(s.updates, strings.TrimSpace(string(body)))
	if s.forget != 0 {
		code := s.forget
		s.forget = 0
		http.Error(w, s.forgetText, code)
		return
	}
}

func (s *services) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.registered[id] != nil
}

// announcing is an Announce in progress, in fake time.
type announcing struct {
	cancel context.CancelFunc
	ended  chan error

	mu     sync.Mutex
	events []string
}

func (n *network) announce(r *consul.Registry, a discovery.Announcement) *announcing {
	n.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &announcing{cancel: cancel, ended: make(chan error, 1)}
	a.Observe = func(e discovery.Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		text := []string{"registered", "lost", "failed", "renamed"}[e.Kind]
		if e.Err != nil {
			text += ": " + e.Err.Error()
		}
		c.events = append(c.events, text)
	}
	go func() { c.ended <- r.Announce(ctx, a) }()
	n.t.Cleanup(cancel)
	return c
}

func (c *announcing) told() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}

func orders() discovery.Instance {
	return discovery.Instance{ID: "orders-a", Service: "orders", Address: "127.0.0.1", Port: 8000}
}

func TestAnnounceRenewsAtAThirdOfTheTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, agent := newNetwork(t), newServices()
		n.set(address, agent.ServeHTTP)
		a := n.announce(n.registry(single()), discovery.Announcement{Instance: orders()})
		pass(10 * time.Minute)
		urls, at := agent.all()
		var last time.Time
		renewals, distinct := 0, make(map[time.Duration]bool)
		for i, url := range urls {
			if !strings.Contains(url, "/check/update/service:orders-a") {
				continue
			}
			if pause := at[i].Sub(last); !last.IsZero() {
				distinct[pause] = true
				if pause < 4500*time.Millisecond || pause > 5500*time.Millisecond {
					t.Errorf("a renewal %v after the one before, want 5s with a jitter of a tenth", pause)
				}
			}
			last = at[i]
			renewals++
		}
		if renewals < 105 || len(distinct) < 50 {
			t.Errorf("%d renewals in 10 minutes with %d different pauses, want about 120 that differ", renewals, len(distinct))
		}
		if events := a.told(); !slices.Equal(events, []string{"registered"}) {
			t.Errorf("events are %q, want one registration", events)
		}
		check := agent.registered["orders-a"]["Check"].(map[string]any)
		if check["TTL"] != "15s" || check["DeregisterCriticalServiceAfter"] != "1m0s" || check["Status"] != "passing" || check["CheckID"] != "service:orders-a" {
			t.Errorf("the check is %v", check)
		}
		a.cancel()
		if err := <-a.ended; err != nil || agent.has("orders-a") {
			t.Errorf("Announce returned %v and left the instance: %v", err, agent.has("orders-a"))
		}
	})
}

func TestAnnounceRegistersAnewWhatIsLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*services)
		want  string
	}{
		"forgotten":   {func(s *services) { clear(s.registered) }, "lost: the agent does not know the instance"},
		"check gone":  {func(s *services) { s.forget, s.forgetText = http.StatusNotFound, "Unknown check" }, "lost: the agent does not know the instance's check"},
		"older agent": {func(s *services) { s.forget, s.forgetText = 500, `CheckID "x" does not have associated TTL` }, "lost: the agent does not know the instance's check"},
		"ill agent":   {func(s *services) { s.forget, s.forgetText = 500, "disk full" }, `failed: announce service "orders" at consul at agent:8500: answers 500 Internal Server Error: disk full`},
		"moved":       {func(s *services) { s.registered["orders-a"]["Port"] = 1 }, "lost: the agent has another port for the instance"},
		"tagged":      {func(s *services) { s.registered["orders-a"]["Tags"] = []string{"x"} }, "lost: the agent has another tags for the instance"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n, agent := newNetwork(t), newServices()
				n.set(address, agent.ServeHTTP)
				a := n.announce(n.registry(single()), discovery.Announcement{Instance: orders()})
				pass(time.Second)
				agent.mu.Lock()
				c.spoil(agent)
				agent.mu.Unlock()
				pass(5 * time.Second)
				events := a.told()
				if len(events) < 2 || events[1] != c.want {
					t.Errorf("events are %q, want %q next", events, c.want)
				}
				if strings.HasPrefix(c.want, "lost") && (len(events) != 3 || events[2] != "registered") {
					t.Errorf("events are %q, want a registration after the loss", events)
				}
				if !agent.has("orders-a") {
					t.Error("the instance is not back within one renewal")
				}
				a.cancel()
				<-a.ended
			})
		})
	}
}

func TestAnnounceReportsHealth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, agent := newNetwork(t), newServices()
		n.set(address, agent.ServeHTTP)
		status := make(chan discovery.Status, 10)
		changed := make(chan struct{})
		status <- discovery.Warning
		a := n.announce(n.registry(single()), discovery.Announcement{
			Instance:      orders(),
			Health:        func() (discovery.Status, string) { return <-status, "why" },
			HealthChanged: changed,
		})
		pass(time.Second)
		for _, next := range []discovery.Status{discovery.Passing, discovery.Maintenance, "unheard of"} {
			status <- next
			changed <- struct{}{}
			synctest.Wait()
		}
		want := []string{"warning", "passing", "critical", "critical"}
		for i, status := range want {
			if i >= len(agent.updates) || agent.updates[i] != `{"Status":"`+status+`","Output":"why"}` {
				t.Fatalf("updates are %q, want the statuses %q", agent.updates, want)
			}
		}
		close(changed) // from now on only the TTL counts
		for range 2 {
			status <- discovery.Passing
		}
		pass(7 * time.Second)
		if len(agent.updates) > 6 {
			t.Errorf("%d updates, want no more than the TTL asks for after the channel is closed", len(agent.updates))
		}
		status <- discovery.Passing
		a.cancel()
		<-a.ended
	})
}

func TestAnnounceFailsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, first, second := newNetwork(t), newServices(), newServices()
		n.set("first:8500", first.ServeHTTP)
		n.set("second:8500", second.ServeHTTP)
		a := n.announce(n.registry(consul.Config{Addresses: []string{"first", "second"}}), discovery.Announcement{Instance: orders()})
		pass(time.Second)
		if !first.has("orders-a") || second.has("orders-a") {
			t.Error("the instance is not at the first agent alone")
		}
		n.set("first:8500", hang)
		pass(15 * time.Second)
		if !second.has("orders-a") {
			t.Error("the instance is not at the second agent within a TTL")
		}
		if events := a.told(); !slices.Equal(events, []string{"registered", "registered"}) {
			t.Errorf("events are %q, want two registrations", events)
		}
		n.set("first:8500", first.ServeHTTP)
		a.cancel()
		if err := <-a.ended; err != nil || first.has("orders-a") || second.has("orders-a") {
			t.Errorf("Announce returned %v; left at first: %v, at second: %v", err, first.has("orders-a"), second.has("orders-a"))
		}
	})
}

func TestAnnounceLeavesInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, agent := newNetwork(t), newServices()
		n.set(address, agent.ServeHTTP)
		cfg := single()
		cfg.Token = "secret-token"
		a := n.announce(n.registry(cfg), discovery.Announcement{Instance: orders(), LeaveTimeout: 2 * time.Second})
		pass(time.Second)
		n.set(address, hang)
		began := time.Now()
		a.cancel()
		err := <-a.ended
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v, want at most 2s", took)
		}
		want := `remove service "orders", instance "orders-a", from consul at agent:8500: no answer within 2s; it stays until its TTL of 15s has run out`
		if err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Announce returned %v, want %s", err, want)
		}
	})
}

// A registration whose answer is lost may have happened: it is removed all the same.
func TestAnnounceRemovesWhatItMayHaveRegistered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, agent := newNetwork(t), newServices()
		n.set(address, func(w http.ResponseWriter, r *http.Request) {
			agent.ServeHTTP(w, r)
			if strings.HasSuffix(r.URL.Path, "/register") {
				panic(http.ErrAbortHandler)
			}
		})
		a := n.announce(n.registry(single()), discovery.Announcement{Instance: orders()})
		pass(time.Second)
		if !agent.has("orders-a") || len(a.told()) == 0 || !strings.HasPrefix(a.told()[0], "failed: ") {
			t.Errorf("registered: %v, events: %q; want a registration that was not confirmed", agent.has("orders-a"), a.told())
		}
		a.cancel()
		if err := <-a.ended; err != nil || agent.has("orders-a") {
			t.Errorf("Announce returned %v and left the instance: %v", err, agent.has("orders-a"))
		}
	})
}

// agentView is what an agent says of its own services; a test fills it.
type agentView struct {
	*services

	checks map[string]string // by ID: the output of the one check, critical if not empty
	names  map[string]string // by ID: the check's name, that of Announce if empty
}

func (v *agentView) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	service := v.registered[id]
	all := maps.Clone(v.registered)
	output, name := v.checks[id], cmp.Or(v.names[id], "Service 'orders' TTL")
	v.mu.Unlock()
	var answer any
	switch {
	case strings.HasSuffix(r.URL.Path, "/v1/agent/services"): // as an agent that is older than filters
		answer = all
	case strings.Contains(r.URL.Path, "/agent/health/service/id/") && service != nil:
		status := "passing"
		if output != "" {
			status = "critical"
		}
		check := map[string]any{"CheckID": "service:" + id, "Name": name, "Type": "ttl", "Status": status, "Output": output}
		answer = map[string]any{"AggregatedStatus": status, "Service": service, "Checks": []any{check}}
	default:
		v.services.ServeHTTP(w, r)
		return
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(err)
	}
}

func registered(id, address string, port int) map[string]any {
	return map[string]any{"ID": id, "Service": "orders", "Name": "orders", "Address": address, "Port": port}
}

func TestAnnounceFindsItsIDTaken(t *testing.T) {
	t.Parallel()
	const other, own = "10.0.0.9", "orders-127.0.0.1-8000"
	live := func(http.ResponseWriter, *http.Request) {}
	for name, c := range map[string]struct {
		prepare func(*network, *agentView)
		want    string // the ID under which the instance is registered
	}{
		"by a live instance":          {func(n *network, _ *agentView) { n.set(other+":80", live) }, own},
		"by one that does not answer": {func(*network, *agentView) {}, "orders-a"},
		"by one whose TTL has run out": {func(n *network, v *agentView) {
			n.set(other+":80", live)
			v.checks["orders-a"] = "TTL expired"
		}, "orders-a"},
		"by one whose address another has got": {func(n *network, v *agentView) {
			n.set(other+":80", live)
			v.registered["web"] = registered("web", other, 80)
		}, "orders-a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n, agent := newNetwork(t), &agentView{newServices(), map[string]string{}, nil}
				n.set(address, agent.ServeHTTP)
				agent.registered["orders-a"] = registered("orders-a", other, 80)
				c.prepare(n, agent)
				a := n.announce(n.registry(single()), discovery.Announcement{Instance: orders()})
				pass(10 * time.Second)
				if at := agent.registered[c.want]["Address"]; at != "127.0.0.1" {
					t.Errorf("%s is at %v, want 127.0.0.1; events %q", c.want, at, a.told())
				}
				renamed := strings.HasPrefix(a.told()[0], `renamed: ID "orders-a" belongs to a live instance of "orders" at 10.0.0.9:80;`)
				if renamed != (c.want == own) {
					t.Errorf("events are %q, want the first to tell of another ID: %v", a.told(), c.want == own)
				}
				a.cancel()
				if err := <-a.ended; err != nil || agent.has(c.want) {
					t.Errorf("Announce returned %v and left the instance: %v", err, agent.has(c.want))
				}
				if c.want == own && !agent.has("orders-a") {
					t.Error("the other's instance was removed")
				}
			})
		})
	}
}

// Another process that takes the ID over, because it could not see this one, is left alone after the first time.
func TestAnnounceGivesWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, agent := newNetwork(t), &agentView{newServices(), map[string]string{}, nil}
		n.set(address, agent.ServeHTTP)
		a := n.announce(n.registry(single()), discovery.Announcement{Instance: orders()})
		for range 3 {
			pass(6 * time.Second)
			agent.mu.Lock()
			agent.registered["orders-a"] = registered("orders-a", "10.0.0.9", 80)
			agent.mu.Unlock()
		}
		pass(6 * time.Second)
		if agent.registered["orders-a"]["Address"] != "10.0.0.9" || !agent.has("orders-127.0.0.1-8000") {
			t.Errorf("the agent has %v, want the other as orders-a and this one under its address; events %q", agent.registered, a.told())
		}
		a.cancel()
		<-a.ended
	})
}

func TestAnnounceRemovesWhatWasLeftAtItsAddress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		announced discovery.Announcement
		checkName string
		removed   bool
	}{
		"its own address":       {discovery.Announcement{Instance: orders(), OwnAddress: true}, "", true},
		"an address of several": {discovery.Announcement{Instance: orders()}, "", false},
		"defined by a person":   {discovery.Announcement{Instance: orders(), OwnAddress: true}, "Service 'orders' check", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n, agent := newNetwork(t), &agentView{newServices(), nil, map[string]string{"left": c.checkName}}
				n.set(address, agent.ServeHTTP)
				agent.registered["left"] = registered("left", "127.0.0.1", 8000)
				agent.registered["beside"] = registered("beside", "127.0.0.1", 8001)
				a := n.announce(n.registry(single()), c.announced)
				pass(time.Second)
				if agent.has("left") == c.removed || !agent.has("beside") || !agent.has("orders-a") {
					t.Errorf("the agent has %v; want left removed: %v, and nothing else", agent.registered, c.removed)
				}
				a.cancel()
				<-a.ended
			})
		})
	}
}

func TestNode(t *testing.T) {
	t.Parallel()
	reply := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		self, peers http.HandlerFunc
		want        string // or a part of the error after "error: "
	}{
		"told":            {reply(200, `{"Member": {"Addr": "10.0.0.3"}}`), reply(500, ""), "10.0.0.3"},
		"refused":         {reply(403, "Permission denied"), reply(200, `["127.0.0.1:8300", "10.0.0.1:8300"]`), "10.0.0.1"},
		"refused, laptop": {reply(403, "Permission denied"), reply(200, `["127.0.0.1:8300"]`), "127.0.0.1"},
		"no leader":       {reply(403, "Permission denied"), reply(500, "No cluster leader"), "error: No cluster leader"},
		"nothing":         {reply(200, `{}`), reply(200, `[]`), "error: neither its own address nor"},
		"ill":             {reply(500, "disk full"), reply(200, `["10.0.0.1:8300"]`), "error: disk full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := onSocket(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v1/agent/self" {
					c.self(w, r)
					return
				}
				c.peers(w, r)
			})
			r, err := consul.New(consul.Config{Addresses: []string{url}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Node(t.Context())
			if part, wrong := strings.CutPrefix(c.want, "error: "); wrong {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, %v; want an error with %q", got, err, part)
				}
			} else if err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}
