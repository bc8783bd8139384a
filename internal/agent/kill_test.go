package agent_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pandakit/panda/internal/agent"
)

const childDir = "PANDA_TEST_DATA_DIR"

// TestChild is the process that TestKill kills: an agent that runs until then.
func TestChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("it runs in a process that TestKill starts")
	}
	a, err := agent.New(agent.Config{HTTPAddr: "127.0.0.1:0", Node: "n1", DataDir: dir, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("serving %s\n", a.URL())
	t.Fatal(a.Run(context.Background()))
}

// child is an agent in a process of its own.
type child struct {
	url    string
	cmd    *exec.Cmd
	stderr *safeBuffer
}

func startChild(t *testing.T, dir string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0], "-test.run=^TestChild$"), stderr: new(safeBuffer)}
	c.cmd.Env = append(os.Environ(), childDir+"="+dir)
	c.cmd.Stderr = c.stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
			c.url = url
			return c
		}
		_, _ = c.stderr.Write([]byte(lines.Text() + "\n"))
	}
	c.kill()
	t.Fatalf("the agent did not start:\n%s", c.stderr)
	return nil
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it has ended otherwise
	_ = c.cmd.Wait()         // killed
}

// register registers the service with n in its metadata, and reports whether that was acknowledged.
func register(client *http.Client, url, id string, n int64) bool {
	body := fmt.Sprintf(`{"Name":"web","ID":%q,"Meta":{"n":"%d"},"Check":{"TTL":"1h","Status":"passing"}}`, id, n)
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPut, url+"/v1/agent/service/register", strings.NewReader(body))
	if err != nil {
		return false
	}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return err == nil && answer.StatusCode == http.StatusOK
}

// written is what a writer has asked for and what it was told is done.
type written struct{ tried, acknowledged int64 }

// TestKill kills an agent under write load again and again: what it has acknowledged is there when it starts again.
func TestKill(t *testing.T) {
	rounds, writers, perWriter := 50, 4, 8
	if testing.Short() {
		rounds = 5
	}
	dir := t.TempDir()
	known := make([]written, writers*perWriter)
	total, n := 0, atomic.Int64{}
	for round := 1; round <= rounds; round++ {
		c := startChild(t, dir)
		compare(t, c.url, known, round)
		var done atomic.Int64
		enough, killed := make(chan struct{}), make(chan struct{})
		target := 20 + rand.Int64N(80)
		var running sync.WaitGroup
		for w := range writers {
			running.Go(func() {
				client := &http.Client{Transport: &http.Transport{}}
				defer client.CloseIdleConnections()
				for at := w; ; at = w + writers*rand.IntN(perWriter) {
					known[at].tried = n.Add(1)
					if !register(client, c.url, "web-"+strconv.Itoa(at), known[at].tried) {
						break
					}
					known[at].acknowledged = known[at].tried
					if done.Add(1) == target {
						close(enough)
					}
				}
				<-killed
			})
		}
		<-enough
		c.kill()
		close(killed)
		running.Wait()
		total += int(done.Load())
	}
	c := startChild(t, dir)
	defer c.kill()
	compare(t, c.url, known, rounds+1)
	t.Logf("%d writes were acknowledged in %d lives", total, rounds)
}

// compare holds what the agent has against what it has acknowledged.
func compare(t *testing.T, url string, known []written, round int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var services map[string]struct{ Meta map[string]string }
	getJSON(t, client, url+"/v1/agent/services", &services)
	var checks map[string]struct{ ServiceID, Status string }
	getJSON(t, client, url+"/v1/agent/checks", &checks)
	for at, w := range known {
		id := "web-" + strconv.Itoa(at)
		if w.tried == 0 {
			continue
		}
		got, _ := strconv.ParseInt(services[id].Meta["n"], 10, 64)
		if got != w.acknowledged && got != w.tried {
			t.Fatalf("life %d: %s is at %d, but %d was acknowledged, %d tried", round, id, got, w.acknowledged, w.tried)
		}
		if c := checks["service:"+id]; got > 0 && (c.ServiceID != id || c.Status != "passing") {
			t.Fatalf("life %d: check of %s is %+v", round, id, c)
		}
		known[at] = written{got, got} // now that it was told
	}
}

func getJSON(t *testing.T, client *http.Client, url string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}
