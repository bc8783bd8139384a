//go:build linux || darwin

package agent_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/internal/agent"
)

// most is how many blocked queries one agent is asked to hold.
const most = 10_000

// room returns how many connections this process can have both ends of.
func room(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Skipf("the limit of open files is not known: %v", err)
	}
	const others, ends, goroutinesEach = 200, 2, 3
	files := min(limit.Cur, 1<<20)
	if files <= others {
		t.Skip("too few open files are allowed")
	}
	return min(most, (int(files)-others)/ends, mostGoroutines/goroutinesEach)
}

// TestManyWatchers holds that thousands of blocked queries are held, that one change answers all of them, and that
// none of them lacks it.
func TestManyWatchers(t *testing.T) {
	count := room(t)
	a := start(t, agent.Config{})
	a.register(t, &api.AgentServiceRegistration{Name: "web", ID: "web-1", Port: 80})
	_, index := a.entries(t, "web", 0)
	watchers := make([]net.Conn, count)
	for n := range watchers {
		conn, err := net.Dial("tcp", a.Addr().String()) //nolint:noctx // loopback
		if err != nil {
			t.Fatalf("watcher %d of %d: %v", n, count, err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		watchers[n] = conn
		if _, err := fmt.Fprintf(conn, "GET /v1/health/service/web?index=%d&wait=5m HTTP/1.1\r\nHost: localhost\r\n\r\n", index); err != nil {
			t.Fatal(err)
		}
	}
	a.register(t, &api.AgentServiceRegistration{Name: "web", ID: "web-2", Port: 81})
	for n, conn := range watchers {
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("watcher %d: %v", n, err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), "web-2") {
			t.Fatalf("watcher %d: %d %.200s %v", n, response.StatusCode, body, err)
		}
	}
	t.Logf("%d watchers", count)
}
