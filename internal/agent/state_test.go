package agent_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/internal/agent"
)

// patience bounds how long a test waits for what must happen.
const patience = 20 * time.Second

// key reads a key, waiting for a change after the index unless that is 0.
func (r *running) key(t *testing.T, key string, index uint64) (*api.KVPair, uint64) {
	t.Helper()
	pair, meta, err := r.client.KV().Get(key, &api.QueryOptions{WaitIndex: index, WaitTime: patience})
	if err != nil {
		t.Fatal(err)
	}
	return pair, meta.LastIndex
}

// keyUntil follows a key by blocking queries until ok holds of it.
func (r *running) keyUntil(t *testing.T, key string, ok func(*api.KVPair) bool) *api.KVPair {
	t.Helper()
	index := uint64(0)
	for {
		pair, next := r.key(t, key, index)
		if ok(pair) {
			return pair
		}
		if next <= index {
			t.Fatalf("key %s stays as it is: %+v", key, pair)
		}
		index = next
	}
}

func free(p *api.KVPair) bool { return p != nil && p.Session == "" }
func gone(p *api.KVPair) bool { return p == nil }

func (r *running) session(t *testing.T, entry *api.SessionEntry) string {
	t.Helper()
	id, _, err := r.client.Session().CreateNoChecks(entry, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// held makes the session hold the lock of the key.
func (r *running) held(t *testing.T, key, session string) {
	t.Helper()
	if ok, _, err := r.client.KV().Acquire(&api.KVPair{Key: key, Session: session, Value: []byte("held")}, nil); err != nil || !ok {
		t.Fatalf("acquire %s: %v, %v", key, ok, err)
	}
}

func soon(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("not in time: %s", what)
	}
}

func TestLockOfTheGoClient(t *testing.T) {
	a := start(t, agent.Config{})
	options := func() *api.LockOptions {
		return &api.LockOptions{Key: "service/leader", Value: []byte("me"), LockDelay: time.Millisecond, MonitorRetries: 1}
	}
	first, err := a.client.LockOpts(options())
	if err != nil {
		t.Fatal(err)
	}
	lost, err := first.Lock(nil)
	if err != nil || lost == nil {
		t.Fatalf("lock: %v", err)
	}
	second, err := a.client.LockOpts(options())
	if err != nil {
		t.Fatal(err)
	}
	turn := make(chan (<-chan struct{}), 1)
	go func() {
		lost, err := second.Lock(nil)
		if err != nil {
			t.Error(err)
		}
		turn <- lost
	}()
	holder, _ := a.key(t, "service/leader", 0)
	if _, err := a.client.Session().Destroy(holder.Session, nil); err != nil {
		t.Fatal(err)
	}
	soon(t, "the first learns that it has lost the lock", lost)
	select {
	case lost = <-turn:
	case <-time.After(patience):
		t.Fatal("the second never gets the lock")
	}
	if now, _ := a.key(t, "service/leader", 0); now.Session == holder.Session || now.Session == "" || now.LockIndex < 2 {
		t.Errorf("holder: %+v", now)
	}
	if err := second.Unlock(); err != nil {
		t.Error(err)
	}
	soon(t, "the second learns that it has freed the lock", lost)
	if err := second.Destroy(); err != nil {
		t.Error(err)
	}
	if pair, _ := a.key(t, "service/leader", 0); pair != nil {
		t.Errorf("left: %+v", pair)
	}
	_ = first.Unlock() // it ends its renewing
}

func TestSemaphoreOfTheGoClient(t *testing.T) {
	a := start(t, agent.Config{})
	const limit, contenders = 2, 5
	var mu sync.Mutex
	inside, most, entered := 0, 0, 0
	var all sync.WaitGroup
	for n := range contenders {
		semaphore, err := a.client.SemaphoreOpts(&api.SemaphoreOptions{Prefix: "service/slots", Limit: limit, Value: []byte(fmt.Sprint(n))})
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			if _, err := semaphore.Acquire(nil); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			inside++
			entered++
			most = max(most, inside)
			mu.Unlock()
			mu.Lock()
			inside--
			mu.Unlock()
			if err := semaphore.Release(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if entered != contenders || most > limit {
		t.Errorf("%d of %d entered, at most %d at once", entered, contenders, most)
	}
}

func TestRenewPeriodicKeepsASession(t *testing.T) {
	a := start(t, agent.Config{SessionTTLMin: 50 * time.Millisecond})
	renewed := a.session(t, &api.SessionEntry{Name: "renewed", TTL: "200ms", LockDelay: time.Nanosecond})
	forgotten := a.session(t, &api.SessionEntry{Name: "forgotten", TTL: "200ms", LockDelay: time.Nanosecond})
	a.held(t, "renewed", renewed)
	a.held(t, "forgotten", forgotten)
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- a.client.Session().RenewPeriodic("200ms", renewed, nil, done) }()
	a.keyUntil(t, "forgotten", free)
	if entry, _, err := a.client.Session().Info(renewed, nil); err != nil || entry == nil || entry.Name != "renewed" {
		t.Errorf("the renewed one: %+v, %v", entry, err)
	}
	if entry, _, err := a.client.Session().Renew(forgotten, nil); err != nil || entry != nil {
		t.Errorf("the forgotten one: %+v, %v", entry, err)
	}
	close(done)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	a.keyUntil(t, "renewed", free)
}

// TestCriticalCheckFreesTheLock holds that whoever waits for a lock gets it when its holder's check fails.
func TestCriticalCheckFreesTheLock(t *testing.T) {
	for _, test := range []struct {
		behavior string
		fail     func(*running) error
		ok       func(*api.KVPair) bool
	}{
		{"release", func(a *running) error { return a.client.Agent().FailTTL("service:web1", "down") }, free},
		{"delete", func(a *running) error { return a.client.Agent().ServiceDeregister("web1") }, gone},
	} {
		t.Run(test.behavior, func(t *testing.T) {
			a := start(t, agent.Config{})
			a.register(t, ttl("web", "web1", "10m"))
			if err := a.client.Agent().PassTTL("service:web1", ""); err != nil {
				t.Fatal(err)
			}
			id, _, err := a.client.Session().Create(&api.SessionEntry{
				Behavior: test.behavior, ServiceChecks: []api.ServiceCheck{{ID: "service:web1"}},
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			a.held(t, "leader", id)
			if err := test.fail(a); err != nil {
				t.Fatal(err)
			}
			a.keyUntil(t, "leader", test.ok)
			if entry, _, err := a.client.Session().Info(id, nil); err != nil || entry != nil {
				t.Errorf("session: %+v, %v", entry, err)
			}
		})
	}
}

func TestLockDelayKeepsOthersOut(t *testing.T) {
	a := start(t, agent.Config{})
	first := a.session(t, &api.SessionEntry{LockDelay: 300 * time.Millisecond})
	second := a.session(t, &api.SessionEntry{})
	a.held(t, "k", first)
	if _, err := a.client.Session().Destroy(first, nil); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	refused := 0
	for {
		ok, _, err := a.client.KV().Acquire(&api.KVPair{Key: "k", Session: second}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			break
		}
		refused++
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("the lock never comes free")
		}
	}
	if refused == 0 {
		t.Error("another session got the lock at once")
	}
}

func TestTransactionOfTheGoClient(t *testing.T) {
	a := start(t, agent.Config{})
	ok, response, _, err := a.client.Txn().Txn(api.TxnOps{
		{Node: &api.NodeTxnOp{Verb: api.NodeSet, Node: api.Node{Node: "ext", Address: "10.1.1.1"}}},
		{Service: &api.ServiceTxnOp{Verb: api.ServiceSet, Node: "ext", Service: api.AgentService{Service: "db", Port: 5432, Tags: []string{"main"}}}},
		{Check: &api.CheckTxnOp{Verb: api.CheckSet, Check: api.HealthCheck{Node: "ext", CheckID: "db", ServiceID: "db", Status: api.HealthPassing}}},
		{KV: &api.KVTxnOp{Verb: api.KVSet, Key: "db/host", Value: []byte("10.1.1.1")}},
	}, nil)
	if err != nil || !ok || len(response.Results) != 4 {
		t.Fatalf("txn: %v, %+v, %v", ok, response, err)
	}
	entries, _ := a.entries(t, "db", 0)
	if len(entries) != 1 || entries[0].Node.Address != "10.1.1.1" || entries[0].Service.Port != 5432 || !slices.Equal(entries[0].Service.Tags, []string{"main"}) ||
		entries[0].Checks.AggregatedStatus() != "passing" {
		t.Errorf("found %s", describe(entries))
	}
	ok, failed, _, err := a.client.KV().Txn(api.KVTxnOps{
		{Verb: api.KVSet, Key: "db/host", Value: []byte("lost")},
		{Verb: api.KVCheckNotExists, Key: "db/host"},
	}, nil)
	if err != nil || ok || len(failed.Errors) != 1 || failed.Errors[0].OpIndex != 1 || failed.Errors[0].What != `key "db/host" exists` {
		t.Errorf("a transaction that cannot be: %v, %+v, %v", ok, failed, err)
	}
	if pair, _ := a.key(t, "db/host", 0); string(pair.Value) != "10.1.1.1" {
		t.Errorf("something of it remains: %q", pair.Value)
	}
}

// TestTransactionLeavesTheAgentsOwn holds that what programs registered with the agent is not taken away behind its back.
func TestTransactionLeavesTheAgentsOwn(t *testing.T) {
	a := start(t, agent.Config{})
	a.register(t, ttl("web", "web1", "10m"))
	_, body := a.do(t, http.MethodPut, "/v1/txn", `[
		{"Service":{"Verb":"set","Node":"n1","Service":{"ID":"web1","Service":"web","Port":9}}},
		{"Check":{"Verb":"set","Check":{"Node":"n1","CheckID":"serfHealth","Status":"critical"}}},
		{"Check":{"Verb":"delete","Check":{"Node":"n1","CheckID":"service:web1"}}},
		{"Service":{"Verb":"delete","Node":"n1","Service":{"ID":"web1","Service":"web"}}},
		{"Service":{"Verb":"delete","Node":"n1","Service":{"ID":"consul","Service":"consul"}}},
		{"Node":{"Verb":"delete","Node":{"Node":"n1"}}}]`)
	if !strings.Contains(body, `"Errors":null`) {
		t.Errorf("answered %s", body)
	}
	entries, _ := a.entries(t, "web", 0)
	if len(entries) != 1 || entries[0].Service.Port != 80 || len(entries[0].Checks) != 2 || entries[0].Checks[0].Status != "passing" {
		t.Errorf("left: %s", describe(entries))
	}
	if own, _ := a.entries(t, "consul", 0); len(own) != 1 {
		t.Errorf("left of the agent itself: %s", describe(own))
	}
}

// TestWatchersOfKeys holds that each of many blocked readers wakes for its own key, and none for another's.
func TestWatchersOfKeys(t *testing.T) {
	a := start(t, agent.Config{})
	const watchers = 200
	var all sync.WaitGroup
	_, index := a.key(t, "w/0", 0)
	for n := range watchers {
		all.Go(func() {
			if pair, _ := a.key(t, fmt.Sprintf("w/%d", n), index); pair == nil || string(pair.Value) != fmt.Sprint(n) {
				t.Errorf("watcher %d woke with %+v", n, pair)
			}
		})
	}
	for n := range watchers {
		if _, err := a.client.KV().Put(&api.KVPair{Key: fmt.Sprintf("w/%d", n), Value: []byte(fmt.Sprint(n))}, nil); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	a.http.CloseIdleConnections() // the agent waits for those that were opened and never used
}

func TestStoppingEndsBlockedReadersOfKeys(t *testing.T) {
	a := start(t, agent.Config{})
	_, index := a.key(t, "never", 0)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _, _ = a.client.KV().Get("never", &api.QueryOptions{WaitIndex: index})
	}()
	a.stop()
	soon(t, "the reader is answered", answered)
}

func TestLargeAndOddBodies(t *testing.T) {
	a := start(t, agent.Config{})
	const most = 512 << 10
	for name, test := range map[string]struct {
		path, body string
		status     int
	}{
		"the largest value":       {"/v1/kv/k", strings.Repeat("x", most), http.StatusOK},
		"a larger value":          {"/v1/kv/k", strings.Repeat("x", most+1), http.StatusRequestEntityTooLarge},
		"a larger transaction":    {"/v1/txn", strings.Repeat(" ", most+1), http.StatusRequestEntityTooLarge},
		"a larger session":        {"/v1/session/create", strings.Repeat(" ", most+1), http.StatusRequestEntityTooLarge},
		"null for an operation":   {"/v1/txn", `[null]`, http.StatusOK},
		"text that is not UTF-8":  {"/v1/txn", "[{\"KV\":{\"Verb\":\"get\",\"Key\":\"\xff\"}}]", http.StatusConflict},
		"deep nesting":            {"/v1/txn", strings.Repeat("[", 100_000), http.StatusBadRequest},
		"a session of wrong type": {"/v1/session/create", `"x"`, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			response, text := a.do(t, http.MethodPut, test.path, test.body)
			if response.StatusCode != test.status {
				t.Errorf("%d, %.200s", response.StatusCode, text)
			}
		})
	}
}

// TestKeysAreAnyBytes holds that keys that are no text are kept apart.
func TestKeysAreAnyBytes(t *testing.T) {
	a := start(t, agent.Config{})
	for _, key := range []string{"%ff", "%fe", "%EF%BF%BD", "a%2F%2Fb", "%E6%9C%8D%E5%8A%A1", "..%2F..", "%25"} {
		if response, text := a.do(t, http.MethodPut, "/v1/kv/any/"+key, key); response.StatusCode != http.StatusOK {
			t.Errorf("put %s: %d %s", key, response.StatusCode, text)
		}
		if _, text := a.do(t, http.MethodGet, "/v1/kv/any/"+key+"?raw", ""); text != key {
			t.Errorf("get %s: %q", key, text)
		}
	}
}
