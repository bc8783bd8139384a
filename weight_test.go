package panda_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/inmemory"
)

func TestWeightIsRegistered(t *testing.T) {
	for name, test := range map[string]struct {
		variable string
		options  []panda.ServiceOption
		want     int
	}{
		"default":  {"", nil, 1},
		"option":   {"", []panda.ServiceOption{panda.WithWeight(7), panda.WithWeight(65535)}, 65535},
		"operator": {"33", []panda.ServiceOption{panda.WithWeight(7)}, 33},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PANDA_WEIGHT", test.variable)
			registry := inmemory.New()
			run(t, newService(registry, test.options...))
			if i := instance(t, registry); i.Weight != test.want {
				t.Errorf("weight %d, want %d", i.Weight, test.want)
			}
		})
	}
}

func TestWrongVariablesEndRun(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"PANDA_WEIGHT", "0", `PANDA_WEIGHT is "0": want a whole number, 1 to 65535`},
		{"PANDA_WEIGHT", "65536", `PANDA_WEIGHT is "65536": want a whole number, 1 to 65535`},
		{"PANDA_WEIGHT", "half", `PANDA_WEIGHT is "half": want a whole number, 1 to 65535`},
		{"PANDA_REGISTER", "perhaps", `PANDA_REGISTER is "perhaps": want true or false`},
	} {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			t.Setenv(test.name, test.value)
			if err := newService(inmemory.New()).Run(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run returned %v, want %s", err, test.want)
			}
		})
	}
	if err := newService(inmemory.New(), panda.WithWeight(0)).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "weight 0: want 1 to 65535") {
		t.Errorf("Run returned %v", err)
	}
}

// TestUnregisteredServiceServes waits for another instance in the registry after the first one serves.
func TestUnregisteredServiceServes(t *testing.T) {
	t.Setenv("PANDA_REGISTER", "false")
	registry := inmemory.New()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	hidden := run(t, newService(registry, panda.WithAddress(address)))
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	get(t, new(http.Client), "http://"+address+"/metrics")
	t.Setenv("PANDA_REGISTER", "true")
	run(t, newService(registry, panda.WithInstanceID("found")))
	if i := instance(t, registry); i.ID != "found" {
		t.Errorf("instance %s is registered", i.ID)
	}
	if err := hidden.end(); err != nil {
		t.Error(err)
	}
}

// TestShares sends calls through a real client to real servers: beside three instances of weight 100, one of weight 33 is to get a
// tenth of them.
func TestShares(t *testing.T) {
	const callers, calls, work = 16, 6000, 2 * time.Millisecond
	registry := inmemory.New()
	var mu sync.Mutex
	answered := map[int]int{} // by instance
	for n, weight := range []int{100, 100, 100, 33} {
		service := newService(registry, panda.WithWeight(weight), panda.WithInstanceID(fmt.Sprint("test-", n)))
		testpb.RegisterTestServiceServer(service, handler{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			<-time.After(work)
			mu.Lock()
			defer mu.Unlock()
			answered[n]++
			return new(testpb.SimpleResponse), nil
		}})
		run(t, service)
	}
	awaitInstances(t, registry, 4)
	conn := dial(t, registry)
	call := func(times int) {
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				for range times / callers {
					if _, err := echo(t.Context(), conn, ""); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
	}
	everyone := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(answered) == 4
	}
	for deadline := time.Now().Add(30 * time.Second); !everyone(); { // connections are made as calls come
		if call(callers); time.Now().After(deadline) {
			t.Fatalf("only %d instances answer", len(answered))
		}
	}
	mu.Lock()
	clear(answered)
	mu.Unlock()
	call(calls)
	share := float64(answered[3]) / float64(calls)
	t.Logf("shares of %d calls: %v, of the canary %.1f%%", calls, answered, 100*share)
	if math.Abs(share-0.1) > 0.05 {
		t.Errorf("the instance of weight 33 got %.1f%% of %d calls, want 5 to 15%%", 100*share, calls)
	}
}

func awaitInstances(t *testing.T, registry discovery.Registry, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	found := false
	_ = registry.Watch(ctx, "test", func(s discovery.Snapshot) {
		if len(s.Instances) == n {
			found = true
			cancel()
		}
	})
	if !found {
		t.Fatalf("%d instances are not registered", n)
	}
}
