package clients

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// A program registers itself, another watches its health, and both see what happens to it.
func TestAPIRegisterAndWatch(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		err := c.Agent().ServiceRegister(&api.AgentServiceRegistration{
			ID: "web-1", Name: "web", Tags: []string{"v1", "http"}, Port: 8080, Address: "127.0.0.1", Meta: map[string]string{"version": "1"},
			Check: &api.AgentServiceCheck{TTL: "30s", CheckID: "web-ttl"},
		})
		if err != nil {
			t.Fatal(err)
		}
		entries, meta, err := c.Health().Service("web", "", true, nil)
		if err != nil || len(entries) != 0 {
			t.Fatalf("a TTL check is critical at first: %d instances, %v", len(entries), err)
		}
		woken := make(chan []*api.ServiceEntry, 1)
		go func() {
			entries, _, _ := c.Health().Service("web", "v1", true, (&api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: patience}).WithContext(t.Context()))
			woken <- entries
		}()
		if err := c.Agent().UpdateTTL("web-ttl", "all is well", api.HealthPassing); err != nil {
			t.Fatal(err)
		}
		entries = <-woken
		if len(entries) != 1 || entries[0].Service.ID != "web-1" || entries[0].Service.Meta["version"] != "1" || entries[0].Node.Node != a.node {
			t.Fatalf("the watch woke with %+v", entries)
		}
		services := must[map[string]*api.AgentService](t)(c.Agent().ServicesWithFilter(`Service == "web" and "http" in Tags`))
		if len(services) != 1 || services["web-1"].Port != 8080 {
			t.Errorf("the filter finds %v", services)
		}
		if err := c.Agent().ServiceDeregister("web-1"); err != nil {
			t.Fatal(err)
		}
		names, _, err := c.Catalog().Services(nil)
		if _, there := names["web"]; err != nil || there {
			t.Errorf("after leaving: %v, %v", names, err)
		}
	})
}

func TestAPILock(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		lock := func() *api.Lock {
			return must[*api.Lock](t)(c.LockOpts(&api.LockOptions{Key: "locks/a", Value: []byte("mine"), LockDelay: time.Millisecond, MonitorRetries: 3}))
		}
		first, second := lock(), lock()
		lost := must[<-chan struct{}](t)(first.Lock(nil))
		got, stop := make(chan error, 1), make(chan struct{})
		go func() {
			_, err := second.Lock(stop)
			got <- err
		}()
		select {
		case err := <-got:
			t.Fatalf("two hold the lock: %v", err)
		case <-lost:
			t.Fatal("the lock was lost")
		case <-time.After(300 * time.Millisecond): // long enough for a wrong answer to come
		}
		if err := first.Unlock(); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		if err := first.Destroy(); !errors.Is(err, api.ErrLockInUse) {
			t.Errorf("destroy a lock that is held: %v", err)
		}
		if err := second.Unlock(); err != nil {
			t.Fatal(err)
		}
		if err := second.Destroy(); err != nil {
			t.Error(err)
		}
		close(stop)
		// A holder whose session is gone is told so.
		third := must[*api.Lock](t)(c.LockOpts(&api.LockOptions{Key: "locks/b", MonitorRetryTime: time.Millisecond}))
		lost = must[<-chan struct{}](t)(third.Lock(nil))
		pair, _, err := c.KV().Get("locks/b", nil)
		if err != nil || pair == nil || pair.Session == "" {
			t.Fatalf("the lock's key is %+v, %v", pair, err)
		}
		if _, err := c.Session().Destroy(pair.Session, nil); err != nil {
			t.Fatal(err)
		}
		select {
		case <-lost:
		case <-time.After(patience):
			t.Error("the holder does not learn that its session is gone")
		}
		_ = third.Unlock() // it holds nothing any more
	})
}

func TestAPISemaphore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		slot := func() *api.Semaphore {
			return must[*api.Semaphore](t)(c.SemaphorePrefix("slots/", 2))
		}
		one, two, three := slot(), slot(), slot()
		must[<-chan struct{}](t)(one.Acquire(nil))
		must[<-chan struct{}](t)(two.Acquire(nil))
		got := make(chan error, 1)
		go func() {
			_, err := three.Acquire(nil)
			got <- err
		}()
		select {
		case err := <-got:
			t.Fatalf("three hold two slots: %v", err)
		case <-time.After(300 * time.Millisecond): // long enough for a wrong answer to come
		}
		if err := one.Release(); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(two.Release(), three.Release()); err != nil {
			t.Error(err)
		}
	})
}

// A session is kept by renewing it, is destroyed when the program stops, and ends by itself when it is forgotten.
func TestAPISessions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		id, _, err := c.Session().Create(&api.SessionEntry{Name: "renewed", TTL: "10s", Behavior: api.SessionBehaviorDelete, LockDelay: time.Millisecond}, nil)
		if err != nil {
			t.Fatal(err)
		}
		forgotten, _, err := c.Session().Create(&api.SessionEntry{Name: "forgotten", TTL: "10s", Behavior: api.SessionBehaviorDelete}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ok, _, err := c.KV().Acquire(&api.KVPair{Key: "held", Session: forgotten, Value: []byte("x")}, nil); err != nil || !ok {
			t.Fatalf("acquire: %v, %v", ok, err)
		}
		done, ended := make(chan struct{}), make(chan error, 1)
		go func() { ended <- c.Session().RenewPeriodic("10s", id, nil, done) }()
		eventually(t, "the forgotten session ends, and its key with it", func() bool {
			info, _, err := c.Session().Info(forgotten, nil)
			pair, _, kvErr := c.KV().Get("held", nil)
			return err == nil && kvErr == nil && info == nil && pair == nil
		})
		if info, _, err := c.Session().Info(id, nil); err != nil || info == nil {
			t.Errorf("the renewed session is gone: %v", err)
		}
		close(done)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if info, _, err := c.Session().Info(id, nil); err != nil || info != nil {
			t.Errorf("a session that its program gave up stays: %v, %v", info, err)
		}
	})
}

func TestAPITransactions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		ok, reply, _, err := c.Txn().Txn(api.TxnOps{
			{KV: &api.KVTxnOp{Verb: api.KVSet, Key: "t/a", Value: []byte("1")}},
			{KV: &api.KVTxnOp{Verb: api.KVSet, Key: "t/b", Value: []byte("2")}},
			{KV: &api.KVTxnOp{Verb: api.KVGetTree, Key: "t/"}},
			{Service: &api.ServiceTxnOp{Verb: api.ServiceSet, Node: a.node, Service: api.AgentService{ID: "by-txn", Service: "by-txn", Port: 1}}},
		}, nil)
		if err != nil || !ok || len(reply.Results) != 5 {
			t.Fatalf("got %v, %+v, %v", ok, reply, err)
		}
		ok, reply, _, err = c.Txn().Txn(api.TxnOps{
			{KV: &api.KVTxnOp{Verb: api.KVSet, Key: "t/a", Value: []byte("changed")}},
			{KV: &api.KVTxnOp{Verb: api.KVCheckNotExists, Key: "t/b"}},
		}, nil)
		if err != nil || ok || len(reply.Errors) != 1 || reply.Errors[0].OpIndex != 1 {
			t.Fatalf("one that cannot be: %v, %+v, %v", ok, reply, err)
		}
		if pair, _, err := c.KV().Get("t/a", nil); err != nil || pair == nil || string(pair.Value) != "1" {
			t.Errorf("half a transaction was done: %+v, %v", pair, err)
		}
	})
}

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		kv := a.client(t).KV()
		if _, err := kv.Put(&api.KVPair{Key: "k/a", Value: []byte("1"), Flags: 7}, nil); err != nil {
			t.Fatal(err)
		}
		pair, meta, err := kv.Get("k/a", nil)
		if err != nil || pair == nil || pair.Flags != 7 || pair.CreateIndex != pair.ModifyIndex || meta.LastIndex == 0 {
			t.Fatalf("got %+v, %v", pair, err)
		}
		for _, c := range []struct {
			index uint64
			want  bool
		}{{0, false}, {pair.ModifyIndex + 1, false}, {pair.ModifyIndex, true}} {
			if ok, _, err := kv.CAS(&api.KVPair{Key: "k/a", Value: []byte("2"), ModifyIndex: c.index}, nil); err != nil || ok != c.want {
				t.Errorf("CAS at %d: %v, %v", c.index, ok, err)
			}
		}
		woken := make(chan *api.KVPair, 1)
		go func() {
			pair, _, _ := kv.Get("k/new", (&api.QueryOptions{WaitIndex: meta.LastIndex + 1, WaitTime: patience}).WithContext(t.Context()))
			woken <- pair
		}()
		if _, err := kv.Put(&api.KVPair{Key: "k/new", Value: []byte("here")}, nil); err != nil {
			t.Fatal(err)
		}
		if pair := <-woken; pair != nil && string(pair.Value) != "here" { // nil: the query came first and was woken by the other write
			t.Errorf("woken with %+v", pair)
		}
		keys := must3[[]string](t)(kv.Keys("k/", "/", nil))
		if !slices.Equal(keys, []string{"k/a", "k/new"}) {
			t.Errorf("keys are %q", keys)
		}
		if ok, _, err := kv.DeleteCAS(&api.KVPair{Key: "k/a", ModifyIndex: 1}, nil); err != nil || ok {
			t.Errorf("delete at another index: %v, %v", ok, err)
		}
		if _, err := kv.DeleteTree("k/", nil); err != nil {
			t.Fatal(err)
		}
		if pairs := must3[api.KVPairs](t)(kv.List("k/", nil)); len(pairs) != 0 {
			t.Errorf("left: %v", pairs)
		}
		if _, err := kv.Put(&api.KVPair{Key: "big", Value: bytes.Repeat([]byte("x"), 512<<10+1)}, nil); err == nil || !strings.Contains(err.Error(), "413") {
			t.Errorf("a value over the limit: %v", err)
		}
	})
}

func must3[T any](t testing.TB) func(value T, meta *api.QueryMeta, err error) T {
	return func(value T, _ *api.QueryMeta, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestAPIMaintenance(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		if err := c.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web", Port: 1}); err != nil {
			t.Fatal(err)
		}
		passing := func() int {
			return len(must3[[]*api.ServiceEntry](t)(c.Health().Service("web", "", true, nil)))
		}
		eventually(t, "the service is found", func() bool { return passing() == 1 })
		if err := c.Agent().EnableServiceMaintenance("web", "new disks"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "maintenance takes the service away", func() bool { return passing() == 0 })
		if err := c.Agent().DisableServiceMaintenance("web"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the service is back", func() bool { return passing() == 1 })
		if err := c.Agent().EnableNodeMaintenance("a new kernel"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "maintenance takes the node away", func() bool { return passing() == 0 })
		checks := must3[api.HealthChecks](t)(c.Health().Node(a.node, nil))
		if !slices.ContainsFunc(checks, func(h *api.HealthCheck) bool { return h.CheckID == api.NodeMaint && h.Notes == "a new kernel" }) {
			t.Errorf("no reason is told: %+v", checks)
		}
		if err := c.Agent().DisableNodeMaintenance(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the node is back", func() bool { return passing() == 1 })
	})
}

func TestAPIEvents(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		id, _, err := c.Event().Fire(&api.UserEvent{Name: "deploy", Payload: []byte("v2")}, nil)
		if err != nil || id == "" {
			t.Fatalf("got %q, %v", id, err)
		}
		eventually(t, "the event is listed", func() bool {
			events, _, err := c.Event().List("deploy", nil)
			return err == nil && len(events) == 1 && events[0].ID == id && string(events[0].Payload) == "v2"
		})
	})
}

func TestAPIAgent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		self := must[map[string]map[string]any](t)(c.Agent().Self())
		if self["Config"]["NodeName"] != a.node || self["Config"]["Datacenter"] != "dc1" {
			t.Errorf("self is %v", self["Config"])
		}
		members := must[[]*api.AgentMember](t)(c.Agent().Members(false))
		if len(members) != 1 || members[0].Name != a.node || members[0].Status != 1 || members[0].Tags["role"] != "consul" {
			t.Errorf("members are %+v", members)
		}
		if leader := must[string](t)(c.Status().Leader()); leader == "" {
			t.Error("no leader")
		}
		if raft := must[*api.RaftConfiguration](t)(c.Operator().RaftGetConfiguration(nil)); len(raft.Servers) != 1 || !raft.Servers[0].Leader {
			t.Errorf("raft is %+v", raft)
		}
		if _, err := c.Agent().Metrics(); err != nil {
			t.Error(err)
		}
		if _, err := c.Agent().Host(); err != nil {
			t.Error(err)
		}
		if err := c.Agent().Reload(); err != nil {
			t.Error(err)
		}
		eventually(t, "autopilot finds the server healthy", func() bool {
			health, err := c.Operator().AutopilotServerHealth(nil)
			return err == nil && health.Healthy && len(health.Servers) == 1
		})
		ctx, cancel := context.WithCancel(t.Context())
		logs, err := c.Agent().Monitor("debug", ctx.Done(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := c.KV().Put(&api.KVPair{Key: "noise"}, nil); err != nil {
				t.Error(err)
			}
			select {
			case line := <-logs:
				if line == "" {
					t.Error("an empty line of the log")
				}
			case <-time.After(20 * time.Millisecond): // the agent logs what it is asked, once the stream is open
				continue
			}
			break
		}
		cancel()
		for open := true; open; { // the library sees that it is to end when the next line comes
			if _, err := c.KV().Put(&api.KVPair{Key: "noise"}, nil); err != nil {
				t.Error(err)
			}
			select {
			case _, open = <-logs:
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
}

func TestAPISnapshot(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		if _, err := c.KV().Put(&api.KVPair{Key: "kept", Value: []byte("1")}, nil); err != nil {
			t.Fatal(err)
		}
		stream, _, err := c.Snapshot().Save(nil)
		if err != nil {
			t.Fatal(err)
		}
		saved := must[[]byte](t)(io.ReadAll(stream))
		_ = stream.Close()
		if _, err := c.KV().Put(&api.KVPair{Key: "kept", Value: []byte("2")}, nil); err != nil {
			t.Fatal(err)
		}
		if err := c.Snapshot().Restore(nil, bytes.NewReader(saved)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the old value is back", func() bool {
			pair, _, err := c.KV().Get("kept", nil)
			return err == nil && pair != nil && string(pair.Value) == "1"
		})
		if err := c.Snapshot().Restore(nil, strings.NewReader("no snapshot")); err == nil {
			t.Error("what is no snapshot was restored")
		}
	})
}
