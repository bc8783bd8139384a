package agentcmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/cli/agentcmd"
	"github.com/pandakit/panda/internal/cli/command"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func execute(ctx context.Context, stdout, stderr io.Writer, args ...string) error {
	env := &command.Env{Args: args, Stdout: stdout, Stderr: stderr}
	c := agentcmd.New(env)
	c.SetArgs(args)
	return c.ExecuteContext(ctx)
}

func TestWrongUse(t *testing.T) {
	for args, want := range map[string]string{
		"-nod x":                       `unknown flag -nod; near: -node`,
		"--nod x":                      `unknown flag -nod; near: -node`,
		"-frobnicate":                  `unknown flag -frobnicate; see panda agent -help`,
		"-http-port x":                 `invalid value "x" for flag -http-port: not an integer`,
		"-http-port":                   `flag needs an argument: -http-port`,
		"-node-meta x":                 `invalid value "x" for flag -node-meta: not key:value`,
		"-ui=maybe":                    `invalid boolean value "maybe" for -ui: not true or false`,
		"-dev extra":                   `unexpected argument "extra"`,
		"-allow-write-http-from ::1/8": `flag -allow-write-http-from is not supported`,
		"-dev -segment x":              `flag -segment is not supported: it is Consul Enterprise's`,
	} {
		var out, log bytes.Buffer
		err := execute(t.Context(), &out, &log, strings.Fields(args)...)
		if err == nil || !strings.Contains(err.Error(), want) || command.ExitCode(err) != command.ExitUsage {
			t.Errorf("%s: %v (exit %d), want %q and exit 2", args, err, command.ExitCode(err), want)
		}
		if out.Len() > 0 {
			t.Errorf("%s: printed %s", args, out.String())
		}
	}
}

// TestWrongSettings holds what is refused once flags and files are read together.
func TestWrongSettings(t *testing.T) {
	for args, want := range map[string]string{
		"-dev -http-port 70000":                    `ports.http: invalid port: 70000`,
		"-dev -http-port -1":                       `no address to listen on`,
		"-dev -bind name":                          `bind_addr "name" is not an IP address`,
		"-dev -advertise 0.0.0.0":                  `Advertise address cannot be 0.0.0.0, :: or [::]`,
		"-dev -client name":                        `client_addr: invalid ip address: name`,
		"-dev -bind {{GetPublicIP}}":               `address template {{GetPublicIP}} is not supported`,
		"-dev -datacenter a.b":                     `datacenter can only contain lowercase alphanumeric, - or _ characters. received: "a.b"`,
		"-dev -node-id x":                          `node_id "x" is not a UUID`,
		"-dev -log-level loud":                     `log_level "loud": not one of debug, err, error, info, trace, warn`,
		"-dev -config-format yaml":                 `-config-format must be either 'hcl' or 'json'`,
		"-dev -config-file /no/such":               `read configuration: stat /no/such: no such file`,
		"-dev -hcl acl={enabled=true}":             `flags-0.hcl:1: acl.enabled is not supported`,
		"-dev -hcl nmae=1":                         `flags-0.hcl:1: unknown key nmae`,
		"-dev -https-port 0 -hcl cert_file=\"x\"":  `read the certificate of HTTPS`,
		"-server":                                  `data_dir cannot be empty`,
		"-server -bootstrap -bootstrap-expect 1":   `are mutually exclusive`,
		"-server -bootstrap-expect 3 -data-dir /x": `bootstrap_expect is 3, and this agent serves one machine alone`,
		"-dev -retry-join 10.0.0.1 -join 10.0.0.2": `it is to join 10.0.0.1`,
		"-dev -hcl retry_join=[\"10.0.0.3\"]":      `it is to join 10.0.0.3`,
		"-dev -log-file /no/such/folder/log":       `open log file`,
		"-dev -http-port 0 -pid-file /no/such/pid": `write pid file`,
	} {
		var out, log bytes.Buffer
		err := execute(t.Context(), &out, &log, strings.Fields(args)...)
		if err == nil || !strings.Contains(err.Error(), want) || command.ExitCode(err) != command.ExitFailed {
			t.Errorf("%s: %v (exit %d), want %q and exit 1", args, err, command.ExitCode(err), want)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, flag := range []string{"-h", "-help", "--help"} {
		var out, log bytes.Buffer
		if err := execute(t.Context(), &out, &log, "-dev", flag); err != nil {
			t.Errorf("%s: %v", flag, err)
		}
		for _, want := range []string{"Run a registry", "-http-port port", "panda agent -dev"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is missing in\n%s", flag, want, out.String())
			}
		}
	}
}

// TestRuns starts the command, uses the agent at the address that it prints, and ends it.
func TestRuns(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	printed, stdout := io.Pipe()
	var log bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- execute(ctx, stdout, &log, "-dev", "--http-port=0", "-node", "laptop", "-datacenter", "East", "-log-json", "-log-level", "debug")
	}()
	line := make([]byte, 200)
	n, err := printed.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	url := regexp.MustCompile(`^Agent of node laptop listens on (http://127\.0\.0\.1:\d+)\n$`).FindStringSubmatch(string(line[:n]))
	if url == nil {
		t.Fatalf("printed %q", line[:n])
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get(url[1] + "/v1/agent/self")
	if err != nil {
		t.Fatal(err)
	}
	var self struct {
		Config struct{ NodeName, Datacenter string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&self); err != nil || self.Config.NodeName != "laptop" || self.Config.Datacenter != "east" {
		t.Errorf("self: %+v, %v", self, err)
	}
	_ = answer.Body.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	for l := range strings.Lines(log.String()) {
		if !json.Valid([]byte(l)) {
			t.Errorf("logged %q, not JSON", l)
		}
	}
	if !strings.Contains(log.String(), "agent stopped") {
		t.Errorf("log:\n%s", log.String())
	}
}

func TestPortTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	err = execute(t.Context(), &out, &log, "-dev", "-http-port", port)
	if err == nil || !strings.Contains(err.Error(), "listen on 127.0.0.1:"+port) || !strings.Contains(command.Advice(err), "-http-port") || command.ExitCode(err) != command.ExitFailed {
		t.Errorf("got %v with advice %q and exit %d", err, command.Advice(err), command.ExitCode(err))
	}
}

// brokenWriter is a standard output that is closed.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestClosedOutputEndsTheAgent(t *testing.T) {
	var log bytes.Buffer
	err := execute(t.Context(), brokenWriter{}, &log, "-dev", "-http-port", "0")
	if err == nil || !strings.Contains(err.Error(), "tell where the agent listens") {
		t.Errorf("got %v", err)
	}
}
