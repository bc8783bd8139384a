package agents

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

type kind string

const (
	panda  kind = "Panda"
	consul kind = "Consul"
)

// patience bounds how long an agent may take until it answers, and how long one request may take.
const patience = 60 * time.Second

// agent is a process that is measured.
type agent struct {
	kind    kind
	url     string
	cmd     *exec.Cmd
	client  *http.Client
	output  bytes.Buffer // read when the process has ended
	dir     string       // its data; "" where nothing is kept
	started time.Duration
}

// start starts an agent and returns once it answers with its own node in the catalog.
func start(ctx context.Context, config Config, k kind, durable bool) (*agent, error) {
	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	a := &agent{kind: k, url: "http://127.0.0.1:" + ports[0], client: newClient()}
	if durable {
		if a.dir, err = os.MkdirTemp("", "panda-bench-data-"); err != nil {
			return nil, err
		}
	}
	program, arguments := config.Panda, a.common(ports)
	if k == consul {
		program = config.Consul
		arguments = append(arguments, "-disable-host-node-id", "-grpc-port=-1",
			"-server-port="+ports[1], "-serf-lan-port="+ports[2], "-serf-wan-port="+ports[3],
			// What a single client opens here is bounded otherwise.
			"-hcl=limits { http_max_conns_per_client = 12000 }")
	}
	a.cmd = exec.CommandContext(ctx, program, arguments...)
	a.cmd.Stdout, a.cmd.Stderr = &a.output, &a.output
	began := time.Now()
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	if err := a.await(ctx); err != nil {
		a.stop()
		return nil, fmt.Errorf("%w: %s", err, a.output.String())
	}
	a.started = time.Since(began)
	return a, nil
}

func (a *agent) common(ports []string) []string {
	arguments := []string{"agent", "-bind=127.0.0.1", "-client=127.0.0.1", "-log-level=warn", "-node=n1", "-http-port=" + ports[0], "-dns-port=-1"}
	if a.dir == "" {
		return append(arguments, "-dev")
	}
	return append(arguments, "-server", "-bootstrap-expect=1", "-data-dir="+a.dir)
}

// freePorts returns ports that nothing listened on a moment ago.
func freePorts(n int) ([]string, error) {
	var ports []string
	var listeners []net.Listener // open until all are found, so that they differ
	defer func() {
		for _, listener := range listeners {
			_ = listener.Close() // nobody has connected
		}
	}()
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, listener)
		ports = append(ports, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)) //nolint:forcetypeassert // a TCP listener has no other
	}
	return ports, nil
}

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 20000, DisableCompression: true, ReadBufferSize: 64 << 10,
	}}
}

// await asks until the agent takes writes and knows its own node.
func (a *agent) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		if body, err := a.get(ctx, "/v1/catalog/service/consul?consistent"); err == nil && bytes.Contains(body, []byte("ServicePort")) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("it does not answer")
		case <-ticker.C:
		}
	}
}

// stop ends the process and waits for it. A failure of that has nothing to do with what was measured.
func (a *agent) stop() {
	a.client.CloseIdleConnections()
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
	if a.dir != "" {
		_ = os.RemoveAll(a.dir)
	}
}

// memory returns the process's resident bytes.
func (a *agent) memory() (float64, error) {
	fields, err := a.proc("statm")
	if err != nil || len(fields) < 2 {
		return 0, fmt.Errorf("read the process's memory: %w", err)
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize()), err
}

// ticks is how many units of processor time the kernel counts in a second, on every Linux that Go runs on.
const ticks = 100

// processor returns the time that the process has computed.
func (a *agent) processor() (time.Duration, error) {
	fields, err := a.proc("stat")
	if err != nil || len(fields) < 15 {
		return 0, fmt.Errorf("read the process's processor time: %w", err)
	}
	user, err := strconv.ParseInt(fields[13], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[14], 10, 64)
	return time.Duration(user+system) * time.Second / ticks, err
}

func (a *agent) proc(file string) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", a.cmd.Process.Pid, file))
	return strings.Fields(string(text)), err
}
