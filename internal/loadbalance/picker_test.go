package loadbalance

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/loadbalance/p2c"
)

func TestOutcome(t *testing.T) {
	failed := func(code codes.Code) error { return status.Error(code, "x") }
	for _, test := range []struct {
		name string
		info balancer.DoneInfo
		want p2c.Outcome
	}{
		{"works", balancer.DoneInfo{BytesSent: true, BytesReceived: true}, p2c.Succeeded},
		{"never sent", balancer.DoneInfo{}, p2c.Ignored},
		{"connection broke", balancer.DoneInfo{Err: failed(codes.Unavailable), BytesSent: true}, p2c.Failed},
		{"server is closing", balancer.DoneInfo{Err: failed(codes.Unavailable)}, p2c.Avoided},
		{"server refuses", balancer.DoneInfo{Err: failed(codes.Unavailable), BytesSent: true, BytesReceived: true}, p2c.Failed},
		{"too late", balancer.DoneInfo{Err: failed(codes.DeadlineExceeded), BytesSent: true}, p2c.Late},
		{"cancelled", balancer.DoneInfo{Err: failed(codes.Canceled), BytesSent: true}, p2c.Ignored},
		{"application error", balancer.DoneInfo{Err: failed(codes.NotFound), BytesSent: true, BytesReceived: true}, p2c.Succeeded},
		{"not a status", balancer.DoneInfo{Err: errors.New("x"), BytesSent: true}, p2c.Succeeded},
	} {
		if got := outcome(test.info); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}

func TestParseConfig(t *testing.T) {
	if got, err := ParseConfig([]byte(`{}`)); err != nil || got != DefaultConfig() {
		t.Errorf("empty: got %+v, %v, want the default", got, err)
	}
	got, err := ParseConfig([]byte(`{"connectionsPerInstance":2,"unavailableAfter":"0.5s","fromTheFuture":1}`))
	if err != nil || got.ConnectionsPerInstance != 2 || got.UnavailableAfter != Duration(500*time.Millisecond) || got.SubsetSize != 100 {
		t.Errorf("got %+v, %v", got, err)
	}
	for config, want := range map[string]string{
		`{"connectionsPerInstance":9}`:       "connectionsPerInstance is 9; it must be from 1 to 8",
		`{"connectionsPerInstance":0}`:       "connectionsPerInstance is 0",
		`{"subsetSize":300}`:                 "subsetAbove is 200; it must be from 300",
		`{"unavailableAfter":"-1s"}`:         "unavailableAfter is -1s; it must be from 0s to 1h0m0s",
		`{"unavailableAfter":"soon"}`:        `"soon" is no duration`,
		`{"latencyDecay":"0s"}`:              "latencyDecay is 0s",
		`{"ejectionBase":"40s"}`:             "ejectionMax is 30s; it must be from 40s",
		`{"ejectionFailures":0}`:             "ejectionFailures is 0",
		`{"outlierFactor":0.5}`:              "outlierFactor is 0.5; it must be 0 or from 1",
		`{"outlierFloor":"-1ms"}`:            "outlierFloor is -1ms",
		`{"slowStart":"2h"}`:                 "slowStart is 2h0m0s",
		`{"ejectionMax":"10h"}`:              "ejectionMax is 10h0m0s",
		`{"subsetSize":"many"}`:              "subsetSize",
		`{"subsetSize":10,"subsetAbove":5}`:  "subsetAbove is 5",
		`{"subsetSize":-1,"subsetAbove":-1}`: "subsetSize is -1",
	} {
		if _, err := ParseConfig([]byte(config)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), PolicyName) {
			t.Errorf("%s: got %v, want an error with %q", config, err, want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"connectionsPerInstance":2,"unavailableAfter":"0.5s"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := ParseConfig(data)
		if err == nil && config.validate() != nil {
			t.Errorf("%s was taken and is not valid: %+v", data, config)
		}
	})
}

func instances(n, distance int) []discovery.Instance {
	list := make([]discovery.Instance, n)
	for i := range list {
		list[i] = discovery.Instance{ID: fmt.Sprintf("hello-%d", i), Address: fmt.Sprintf("10.%d.0.%d", distance, i%250), Port: 9000 + i/250, Distance: distance}
	}
	return list
}

func ids(list []discovery.Instance) map[string]bool {
	set := make(map[string]bool)
	for i := range list {
		set[list[i].ID+address(&list[i])] = true
	}
	return set
}

func TestSubset(t *testing.T) {
	all := instances(1000, 0)
	if got := subset(all[:200], 100, 200, 7); len(got) != 200 {
		t.Errorf("%d of 200, want all", len(got))
	}
	chosen := ids(subset(all, 100, 200, 7))
	if len(chosen) != 100 {
		t.Fatalf("%d of 1000, want 100", len(chosen))
	}
	kept := 0
	for id := range ids(subset(all[100:], 100, 200, 7)) {
		if chosen[id] {
			kept++
		}
	}
	gone := 0
	for i := range all[:100] {
		if chosen[all[i].ID+address(&all[i])] {
			gone++
		}
	}
	if kept != 100-gone {
		t.Errorf("after 100 instances have gone, %d of them chosen, %d of the choice are kept, want %d", gone, kept, 100-gone)
	}
	if got := len(subset(append(instances(300, 1), all...), 100, 200, 7)); got != 200 {
		t.Errorf("%d of two distances, want 100 of each", got)
	}
}

func TestSubsetsOfManyClientsAreEven(t *testing.T) {
	all := instances(1000, 0)
	count := make(map[string]int)
	const clients = 500
	for seed := range clients {
		for id := range ids(subset(all, 100, 200, uint64(seed)*0x9e3779b97f4a7c15)) {
			count[id]++
		}
	}
	for id, n := range count {
		if n < 20 || n > 85 { // 50 ± 5 standard deviations
			t.Errorf("%s was chosen by %d of %d clients, want about 50", id, n, clients)
		}
	}
	if len(count) != 1000 {
		t.Errorf("%d of 1000 instances were chosen by any client", len(count))
	}
}

func TestInstancesOfOtherResolvers(t *testing.T) {
	got, a := instancesOf(resolver.State{Endpoints: []resolver.Endpoint{{Addresses: []resolver.Address{{Addr: "127.0.0.1:1"}}}, {}}})
	if len(got) != 1 || a != nil || address(&got[0]) != "127.0.0.1:1" {
		t.Errorf("got %+v", got)
	}
}

func TestWithInstancesServesOtherPolicies(t *testing.T) {
	list := instances(3, 0)
	a := NewAvailability()
	s := WithInstances(resolver.State{}, list, a)
	if len(s.Addresses) != 3 || len(s.Endpoints) != 3 || s.Endpoints[2].Addresses[0].Addr != "10.0.0.2:9000" {
		t.Errorf("got %+v", s)
	}
	got, gotA := instancesOf(s)
	if len(got) != 3 || gotA != a {
		t.Errorf("got %v, %v", got, gotA)
	}
	same, other := WithInstances(resolver.State{}, instances(3, 0), a), WithInstances(resolver.State{}, instances(3, 1), a)
	if !s.Attributes.Equal(same.Attributes) || s.Attributes.Equal(other.Attributes) {
		t.Error("attributes are compared wrongly")
	}
}

func TestConnectionReason(t *testing.T) {
	for text, err := range map[string]error{
		"connection refused": fmt.Errorf("connection error: %w", syscall.ECONNREFUSED),
		"no answer in time":  fmt.Errorf("x: %w", timeoutError{}),
		"tls: bad":           errors.New(`connection error: desc = "transport: authentication handshake failed: tls: bad"`),
	} {
		if got := connectionReason(err); got != text {
			t.Errorf("%v: got %q, want %q", err, got, text)
		}
	}
}

type timeoutError struct{}

func (timeoutError) Error() string { return "i/o timeout" }
func (timeoutError) Timeout() bool { return true }

func TestEjectionReason(t *testing.T) {
	const now = int64(time.Hour)
	for want, e := range map[string]p2c.Ejection{
		"ejected: 3 consecutive UNAVAILABLE, probed again in 2s":                     {Failures: 3, Until: now + 2e9},
		"ejected: 4 consecutive UNAVAILABLE, being probed":                           {Failures: 4, Until: now - 1},
		"ejected: calls took 250ms, those of the others 2ms, probed again in 1m1.5s": {Latency: 250 * time.Millisecond, Others: 2 * time.Millisecond, Until: now + 61.5e9},
	} {
		if got := ejectionReason(e, now); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
