package up

import (
	"context"
	"log/slog"
	"testing"

	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/agent"
)

// TestListensWhereCallersAre has an agent on loopback that is known to others by another address.
func TestListensWhereCallersAre(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{"": false, "127.0.0.7": false, "10.1.2.3": true, "fd00::7": true} {
		a, err := agent.New(agent.Config{HTTPAddr: "127.0.0.1:0", Address: address, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		if got := inCluster(t.Context(), consul.Config{Addresses: []string{a.Addr().String()}}); got != want {
			t.Errorf("an agent at %q: inCluster is %v, want %v", address, got, want)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if inCluster(t.Context(), consul.Config{Addresses: []string{"127.0.0.1:1"}}) {
		t.Error("an agent that is away is taken for one of a cluster")
	}
}
