package agentcmd_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/cli/agentcmd"
	"github.com/pandakit/panda/internal/cli/command"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errNoCluster = errors.New("there is no Consul here")

func noCluster(context.Context, *command.Env, []string, func()) error { return errNoCluster }

func execute(ctx context.Context, stdout, stderr io.Writer, args ...string) error {
	env := &command.Env{Args: args, Stdout: stdout, Stderr: stderr}
	c := agentcmd.New(env, noCluster)
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
		"-dev -http-port 70000":                   `ports.http: invalid port: 70000`,
		"-dev -http-port -1":                      `no address to listen on`,
		"-dev -bind name":                         `bind_addr "name" is not an IP address`,
		"-dev -advertise 0.0.0.0":                 `Advertise address cannot be 0.0.0.0, :: or [::]`,
		"-dev -client name":                       `client_addr: invalid ip address: name`,
		"-dev -bind {{GetPublicIP}}":              `address template {{GetPublicIP}} is not supported`,
		"-dev -datacenter a.b":                    `datacenter can only contain lowercase alphanumeric, - or _ characters. received: "a.b"`,
		"-dev -node-id x":                         `node_id "x" is not a UUID`,
		"-dev -log-level loud":                    `log_level "loud": not one of debug, err, error, info, trace, warn`,
		"-dev -config-format yaml":                `-config-format must be either 'hcl' or 'json'`,
		"-dev -config-file /no/such":              `read configuration: stat /no/such: no such file`,
		"-dev -hcl acl={enabled=true}":            `flags-0.hcl:1: acl.enabled is not supported`,
		"-dev -hcl nmae=1":                        `flags-0.hcl:1: unknown key nmae`,
		"-dev -https-port 0 -hcl cert_file=\"x\"": `read the certificate of HTTPS`,
		"-server":                                       `data_dir cannot be empty`,
		"-server -bootstrap -bootstrap-expect 1":        `are mutually exclusive`,
		"-server -bootstrap-expect 3 -data-dir /x":      errNoCluster.Error(),
		"-dev -retry-join 10.0.0.1 -join 10.0.0.2":      errNoCluster.Error(),
		"-dev -hcl retry_join=[\"10.0.0.3\"]":           errNoCluster.Error(),
		"-dev -join 127.0.0.1:9301":                     "this agent serves one machine alone, and it is to join 127.0.0.1:9301: " + errNoCluster.Error(),
		"-dev -serf-lan-port 9301 -join 127.0.0.1:8301": "it is to join 127.0.0.1:8301",
		"-dev -retry-join-wan 127.0.0.1:8301":           "it is to join 127.0.0.1:8301",
		"-dev -bind 192.0.2.1":                          "bind_addr 192.0.2.1 is no address of this machine",
		"-bootstrap-expect 1":                           "'bootstrap = true' requires 'server = true'",
		"-bootstrap -data-dir /x":                       "'bootstrap = true' requires 'server = true'",
		"-dev -log-file /no/such/folder/log":            `open log file`,
		"-dev -http-port 0 -pid-file /no/such/pid":      `write pid file`,
	} {
		var out, log bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // of an agent that runs all the same
		err := execute(ctx, &out, &log, strings.Fields(args)...)
		cancel()
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

// TestGivenAddressIsTold holds that the address which is printed is the one that was given, not what the system makes of it.
func TestGivenAddressIsTold(t *testing.T) {
	r := start(t, "-dev", "-http-port", "0", "-dns-port", "-1", "-client", "0.0.0.0")
	if !strings.HasPrefix(r.url, "http://0.0.0.0:") {
		t.Errorf("listens on %s", r.url)
	}
}

// TestDevelopmentIsIndented holds that answers are laid out for people in development mode, and else when asked to be.
func TestDevelopmentIsIndented(t *testing.T) {
	dev, plain := start(t, "-dev", "-http-port", "0", "-dns-port", "-1"), start(t, "-http-port", "0", "-dns-port", "-1")
	for path, want := range map[string]bool{"/v1/catalog/services": false, "/v1/catalog/services?pretty": true, "/v1/agent/services": false, "/v1/agent/self?pretty": true} {
		if _, body, _ := dev.do(t, http.MethodGet, path); path != "/v1/agent/services" && !strings.Contains(body, "\n    ") {
			t.Errorf("%s in development: %.80s", path, body)
		}
		if _, body, _ := plain.do(t, http.MethodGet, path); strings.Contains(body, "\n    ") != want {
			t.Errorf("%s: %.80s", path, body)
		}
	}
}

// TestStrangeNodeName holds that a name which DNS does not find is taken, with Consul's warning.
func TestStrangeNodeName(t *testing.T) {
	r := start(t, "-dev", "-http-port", "0", "-dns-port", "0", "-node", "a b_c")
	if want := `Node name \"a b_c\" will not be discoverable via DNS due to invalid characters.`; !strings.Contains(r.log.String(), want) {
		t.Errorf("%s is not logged in\n%s", want, r.log.String())
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
	if want := ", process " + strconv.Itoa(os.Getpid()); runtime.GOOS == "linux" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%v does not name the program that has the port: want %q", err, want)
	}
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

// running is the command while it runs.
type running struct {
	url    string
	client *http.Client
	ended  chan error
	log    *syncBuffer
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs the command until the test ends, and returns once it listens.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	printed, stdout := io.Pipe()
	r := &running{client: &http.Client{Transport: &http.Transport{}}, ended: make(chan error, 1), log: new(syncBuffer)}
	go func() {
		err := execute(ctx, stdout, r.log, args...)
		_ = stdout.CloseWithError(errors.New("the command has ended"))
		r.ended <- err
	}()
	line, err := bufio.NewReader(printed).ReadString('\n')
	if err != nil {
		cancel()
		t.Fatal(err, <-r.ended)
	}
	r.url = strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:])
	t.Cleanup(func() {
		cancel()
		r.client.CloseIdleConnections()
		if err := <-r.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		r.ended <- nil
	})
	return r
}

func (r *running) do(t *testing.T, method, path string) (status int, body, index string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(content), answer.Header.Get("X-Consul-Index")
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReload(t *testing.T) {
	dir := t.TempDir()
	web, db := filepath.Join(dir, "web.json"), filepath.Join(dir, "db.hcl")
	write(t, web, `{"service": {"name": "web", "port": 80, "check": {"ttl": "1h"}}}`)
	r := start(t, "-dev", "-http-port", "0", "-config-dir", dir)
	_, services, _ := r.do(t, http.MethodGet, "/v1/catalog/services")
	if !strings.Contains(services, `"web"`) {
		t.Fatalf("at the start: %s", services)
	}
	write(t, db, `service { name = "db" }`)
	if err := os.Remove(web); err != nil {
		t.Fatal(err)
	}
	if status, text, _ := r.do(t, http.MethodPut, "/v1/agent/reload"); status != http.StatusOK {
		t.Fatalf("reload: %d %s", status, text)
	}
	if _, services, _ = r.do(t, http.MethodGet, "/v1/catalog/services"); !strings.Contains(services, `"db"`) || strings.Contains(services, `"web"`) {
		t.Errorf("after a reload: %s", services)
	}
	write(t, web, `{"service": {"nmae": "web"}}`)
	read := strings.Count(r.log.String(), "files read again")
	status, text, _ := r.do(t, http.MethodPut, "/v1/agent/reload")
	if _, after, _ := r.do(t, http.MethodGet, "/v1/catalog/services"); status != http.StatusInternalServerError || !strings.Contains(text, "web.json:1: unknown key service.nmae") || after != services {
		t.Errorf("a bad file: %d %s, then %s", status, text, after)
	}
	// A file that can be read and asks for what cannot be had changes nothing either, not even how much is logged.
	write(t, web, `{"log_level": "err", "check": {"name": "c", "ttl": "1h", "service_id": "nobody"}}`)
	status, text, _ = r.do(t, http.MethodPut, "/v1/agent/reload")
	if status != http.StatusInternalServerError || !strings.Contains(text, `register check "c" of a file: ServiceID "nobody" does not exist`) {
		t.Errorf("a check of nobody: %d %s", status, text)
	}
	log := r.log.String()
	if strings.Count(log, "files read again") != read || strings.Count(log, `msg="files are not read again: nothing has changed" error=`) != 2 || !strings.Contains(log, `ServiceID \"nobody\" does not exist`) {
		t.Errorf("logged\n%s", log)
	}
	write(t, web, `{}`)
	if status, text, _ = r.do(t, http.MethodPut, "/v1/agent/reload"); status != http.StatusOK || strings.Count(r.log.String(), "files read again") != read+1 {
		t.Errorf("a file without a mistake: %d %s, logged\n%s", status, text, r.log.String())
	}
}

func TestLeave(t *testing.T) {
	dir := t.TempDir()
	pid, log := filepath.Join(dir, "pid"), filepath.Join(dir, "log")
	r := start(t, "-http-port", "0", "-pid-file", pid, "-log-file", log, "-client", "127.0.0.1 ::1")
	if written, err := os.ReadFile(pid); err != nil || string(written) != strconv.Itoa(os.Getpid()) {
		t.Errorf("pid file: %q, %v", written, err)
	}
	if status, text, _ := r.do(t, http.MethodPut, "/v1/agent/leave"); status != http.StatusOK {
		t.Fatalf("leave: %d %s", status, text)
	}
	err := <-r.ended
	r.ended <- err
	if _, gone := os.Stat(pid); !errors.Is(gone, os.ErrNotExist) {
		t.Errorf("the pid file is still there: %v", gone)
	}
	if written, err := os.ReadFile(log); err != nil || string(written) != r.log.String() || !strings.Contains(string(written), "agent stopped") {
		t.Errorf("log file: %q, %v", written, err)
	}
}

func TestUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "panda") //nolint:usetesting // short, as the path of a socket must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close() // as a killed agent leaves it
	r := start(t, "-dev", "-hcl", `addresses { http = "unix://`+path+`" }`)
	r.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	if r.url != "unix://"+path {
		t.Errorf("listens on %s", r.url)
	}
	r.url = "http://localhost"
	if status, _, _ := r.do(t, http.MethodGet, "/v1/agent/self"); status != http.StatusOK {
		t.Errorf("got %d", status)
	}
}

func TestHTTPS(t *testing.T) {
	lender := httptest.NewTLSServer(nil) // its certificate
	defer lender.Close()
	dir := t.TempDir()
	certificate := lender.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	settings := fmt.Sprintf("cert_file = %q\nkey_file = %q\n", certFile, keyFile)

	r := start(t, "-dev", "-http-port", "-1", "-https-port", "0", "-hcl", settings)
	r.client = lender.Client()
	if status, _, _ := r.do(t, http.MethodGet, "/v1/agent/self"); status != http.StatusOK || !strings.HasPrefix(r.url, "https://") {
		t.Errorf("%s: %d", r.url, status)
	}
	strict := start(t, "-dev", "-http-port", "-1", "-https-port", "0", "-hcl", settings+fmt.Sprintf("ca_file = %q\nverify_incoming_https = true", certFile))
	if answer, err := lender.Client().Get(strict.url); err == nil {
		_ = answer.Body.Close()
		t.Error("a client without a certificate was served")
	}
}

func TestClusterIsHandedOver(t *testing.T) {
	var got []string
	env := &command.Env{Stdout: io.Discard, Stderr: io.Discard}
	c := agentcmd.New(env, func(_ context.Context, _ *command.Env, args []string, found func()) error {
		found()
		got = args
		return nil
	})
	c.SetArgs([]string{"-server", "-bootstrap-expect=3", "-data-dir", "/no/such"})
	if err := c.ExecuteContext(t.Context()); err != nil || !slices.Equal(got, []string{"agent", "-server", "-bootstrap-expect=3", "-data-dir", "/no/such"}) {
		t.Errorf("%v, %q", err, got)
	}
}

func TestAsConsulWantsADataDir(t *testing.T) {
	c := agentcmd.New(&command.Env{Stdout: io.Discard, Stderr: io.Discard}, noCluster, agentcmd.AsConsul())
	c.SetArgs([]string{"-http-port", "0"})
	if err := c.ExecuteContext(t.Context()); err == nil || err.Error() != "data_dir cannot be empty" {
		t.Errorf("got %v", err)
	}
}

// TestJoiningItselfIsNoCluster starts the first agent of the notes' commands alone.
func TestJoiningItselfIsNoCluster(t *testing.T) {
	r := start(t, "-server", "-bootstrap-expect", "1", "-data-dir", t.TempDir(), "-node=n1", "-bind=127.0.0.1", "-ui", "-rejoin",
		"-join", "127.0.0.1", "-retry-join=127.0.0.1:8301", "-retry-join-wan", "127.0.0.1:8302", "-client", "127.0.0.1", "-http-port", "0", "-dns-port", "0")
	if status, body, _ := r.do(t, http.MethodGet, "/ui/services"); status != http.StatusOK || !strings.Contains(body, "consul") {
		t.Errorf("the pages: %d %.200s", status, body)
	}
	for _, join := range []string{"127.0.0.1", "127.0.0.1:8301", "127.0.0.1:8302"} {
		if want := `msg="nothing is joined: the address is this agent's own" join=` + join + "\n"; !strings.Contains(r.log.String(), want) {
			t.Errorf("%s is not logged in\n%s", want, r.log.String())
		}
	}
}

// TestForgettingIsTold holds that a data dir which was named and keeps nothing is told of, in one line, and no other is.
func TestForgettingIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(t.TempDir(), "dir.json")
	if err := os.WriteFile(file, []byte(`{"data_dir":"`+filepath.ToSlash(dir)+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	const unused, empty = "nothing is kept in the data dir", "flag -data-dir is empty"
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-dev", "-data-dir", dir}, unused},
		{[]string{"-dev", "-config-file", file}, unused},
		{[]string{"-data-dir", ""}, empty},
		{[]string{"-data-dir="}, empty},
		{[]string{"-dev"}, ""},
		{nil, ""},
		{[]string{"-data-dir", t.TempDir()}, ""},
		{[]string{"-dev", "-data-dir", ""}, ""},
	} {
		log := start(t, append(c.args, "-http-port=0", "-dns-port=-1", "-bind=127.0.0.1")...).log.String()
		told := strings.Count(log, unused) + strings.Count(log, empty)
		if c.want == "" && told > 0 || c.want != "" && (told != 1 || !strings.Contains(log, c.want)) {
			t.Errorf("%q: log %s", c.args, log)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder that is not used was made: %v", err)
	}
}
