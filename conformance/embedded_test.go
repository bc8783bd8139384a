package conformance_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/conformance/freeport"
	"github.com/pandakit/panda/internal/agent"
)

// envAgent makes this test binary be an agent that listens on the variable's value, so that a test can kill it
// as a process is killed.
const envAgent = "PANDA_CONFORMANCE_AGENT"

func TestMain(m *testing.M) {
	if address := os.Getenv(envAgent); address != "" {
		fmt.Fprintln(os.Stderr, runAgent(address))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func runAgent(address string) error {
	a, err := agent.New(agent.Config{HTTPAddr: address})
	if err != nil {
		return err
	}
	return a.Run(context.Background())
}

// embedded is Panda's own agent in a process of its own.
type embedded struct {
	address string
	cmd     *exec.Cmd
}

func startEmbedded(t testing.TB) *embedded {
	t.Helper()
	e := &embedded{address: freeport.Local(freeport.Find(t, 1)[0])}
	e.Restart(t)
	t.Cleanup(e.Kill)
	return e
}

func (e *embedded) Address() string { return e.address }

func (e *embedded) Kill() {
	_ = e.cmd.Process.Kill() // it fails only when the process has ended
	_ = e.cmd.Wait()
}

func (e *embedded) Restart(t testing.TB) {
	t.Helper()
	e.cmd = exec.Command(os.Args[0])
	e.cmd.Env = append(os.Environ(), envAgent+"="+e.address)
	e.cmd.Stderr = os.Stderr
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.address+"/v1/status/leader", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("the agent at %s does not answer within %v", e.address, patience)
		}
	}
}

func TestContractWithEmbeddedAgent(t *testing.T) {
	t.Parallel()
	runContract(t, startEmbedded(t).Address())
}

func TestEmbeddedAgentRestartedEmpty(t *testing.T) {
	t.Parallel()
	drillRestartedEmpty(t, startEmbedded(t))
}
