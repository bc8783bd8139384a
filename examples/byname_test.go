package examples_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/pandakit/panda"
)

// withAgent starts an agent, and returns the environment that leads programs to it.
func withAgent(t *testing.T) []string {
	t.Helper()
	agent := start(t, nil, "panda-command", "agent", "-dev", "-http-port", "0")
	return []string{"CONSUL_HTTP_ADDR=" + agent.logged(`"agent started" address=(\S+)`), "PANDA_ADDR=127.0.0.1:0"}
}

func TestClientFindsServiceByName(t *testing.T) {
	env := withAgent(t)
	start(t, env, "hello").logged("registered")
	out, err := start(t, env, "helloclient", "熊猫").wait()
	if want := "你好,熊猫\n你的名字是：熊猫\n"; err != nil || out != want {
		t.Errorf("helloclient prints %q (%v), want %q", out, err, want)
	}
}

// The two pains that the course's chapter on gRPC ends with: the client knows no address here, and it
// starts before its server.
func TestClientMayStartFirst(t *testing.T) {
	env := withAgent(t)
	client := start(t, env, "helloclient", "-wait", patience.String())
	start(t, env, "hello").address()
	out, err := client.wait()
	if want := "你好,熊猫\n你的名字是：熊猫\n"; err != nil || out != want {
		t.Errorf("helloclient prints %q (%v), want %q", out, err, want)
	}
}

func TestClientSaysWhyThereIsNoAnswer(t *testing.T) {
	client := start(t, withAgent(t), "helloclient", "-wait", "1s")
	_, err := client.wait()
	if exitCode(err) != 1 {
		t.Errorf("helloclient without hello ends with %v, want exit code 1", err)
	}
	client.logged(`helloclient: .*look up service "hello": .* has no such service`)
}

func TestWebCallsHelloByName(t *testing.T) {
	env := withAgent(t)
	address := start(t, env, "web").address()
	start(t, env, "hello").logged("registered")

	body := get(t, "http://"+address+"/?name="+url.QueryEscape("<b>熊猫</b>"), http.StatusOK)
	if !strings.Contains(body, "你好,&lt;b&gt;熊猫&lt;/b&gt;") {
		t.Errorf("the page holds no greeting, escaped:\n%s", body)
	}
}

// The variable that leads a client to its registry is read when the client is made.
func TestRPCByName(t *testing.T) {
	env := withAgent(t)
	start(t, env, "panda").logged("registered")
	t.Setenv("CONSUL_HTTP_ADDR", strings.TrimPrefix(env[0], "CONSUL_HTTP_ADDR="))

	client := panda.DialRPC("panda")
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var reply int
	if err := client.Call(ctx, "Panda.GetInfo", 100, &reply); err != nil || reply != 200 {
		t.Errorf("Panda.GetInfo of 100 is %d (%v), want 200", reply, err)
	}
}

func TestHTTPByName(t *testing.T) {
	env := withAgent(t)
	start(t, env, "panda").logged("registered")
	t.Setenv("CONSUL_HTTP_ADDR", strings.TrimPrefix(env[0], "CONSUL_HTTP_ADDR="))

	client := panda.HTTPClient()
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://panda.service.consul/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != "hello world!" {
		t.Errorf("GET / answers %s %q (%v), want hello world!", resp.Status, body, err)
	}
}

func get(t *testing.T, address string, code int) string {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != code {
		t.Fatalf("GET %s answers %s, want %d:\n%s", address, resp.Status, code, body)
	}
	return string(body)
}
