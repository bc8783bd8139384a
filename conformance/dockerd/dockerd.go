// Package dockerd gives tests a real container engine: the one that DOCKER_HOST names, or Debian's dockerd, started
// with a root and a socket of its own and stopped with everything in it when the tests of the package end.
//
// It is test machinery. It pulls nothing, never touches an engine that somebody else runs unless DOCKER_HOST names it,
// and holds no opinion on what a test puts into the engine.
package dockerd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Bounds of starting and stopping.
const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
	retryEvery   = 100 * time.Millisecond
)

// usual is where a person's engine listens; one that runs there shares this machine's firewall rules with any other.
const usual = "/var/run/docker.sock"

// Engine is a container engine that answers.
type Engine struct {
	Host string // for DOCKER_HOST, as unix:///path

	folder string // "" when the engine is somebody else's
	cmd    *exec.Cmd
	exited chan struct{}
	lock   *os.File
}

var (
	mu      sync.Mutex //nolint:gochecknoglobals // one engine for all tests of a process, which Stop ends
	shared  *Engine    //nolint:gochecknoglobals // guarded by mu
	failure error      //nolint:gochecknoglobals // why there is none; guarded by mu
)

// Get returns the engine of this test process, which the first call starts. Without one the test is skipped with the
// reason, but fails where CI is set, which has to have one. TestMain must call [Stop].
func Get(t testing.TB) *Engine {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if shared == nil && failure == nil {
		shared, failure = start(t.Context())
	}
	if failure == nil {
		return shared
	}
	if os.Getenv("CI") != "" {
		t.Fatal(failure)
	}
	t.Skip("SKIPPED:", failure)
	return nil
}

// Stop ends the engine that [Get] has started, if it has. It is called once, after all tests.
func Stop() {
	mu.Lock()
	defer mu.Unlock()
	if shared != nil {
		shared.stop()
		shared = nil
	}
}

// Command returns a run of the docker command-line client against the engine.
func (e *Engine) Command(ctx context.Context, args ...string) *exec.Cmd {
	client := "/usr/bin/docker" // Debian's, of the engine's own version and with a builder that needs no plugin
	if _, err := os.Stat(client); err != nil {
		client = "docker"
	}
	cmd := exec.CommandContext(ctx, client, args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.Host)
	return cmd
}

// Run runs the docker command-line client and returns what it printed on its standard output, without the last line
// feed. A failure ends the test.
func (e *Engine) Run(t testing.TB, args ...string) string {
	t.Helper()
	cmd := e.Command(t.Context(), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return strings.TrimSuffix(string(out), "\n")
}

func start(ctx context.Context) (*Engine, error) {
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		return &Engine{Host: host}, nil
	}
	path, err := exec.LookPath("dockerd")
	switch {
	case err != nil:
		return nil, errors.New("no container engine: DOCKER_HOST is not set and dockerd is not on PATH (Debian's docker.io has it)")
	case os.Geteuid() != 0:
		return nil, errors.New("no container engine: DOCKER_HOST is not set, and only root can start dockerd")
	case answers(usual):
		return nil, fmt.Errorf("no container engine: one runs at %s, and a second would take its firewall rules; set DOCKER_HOST=unix://%s to use it", usual, usual)
	}
	lock, err := takeTurn()
	if err != nil {
		return nil, fmt.Errorf("wait for another test's engine: %w", err)
	}
	folder, err := os.MkdirTemp("", "dockerd-") // short: a socket's path has 107 bytes
	if err != nil {
		return nil, err
	}
	e := &Engine{Host: "unix://" + filepath.Join(folder, "docker.sock"), folder: folder, lock: lock, exited: make(chan struct{})}
	if err := e.launch(context.WithoutCancel(ctx), path); err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

// takeTurn waits until no other test process of this machine has an engine: two would share the firewall's rules and
// the names of bridges.
func takeTurn() (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "panda-test-dockerd.lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func (e *Engine) launch(ctx context.Context, path string) error {
	output, err := os.Create(filepath.Join(e.folder, "log"))
	if err != nil {
		return err
	}
	defer output.Close()
	e.cmd = exec.Command(path, "--data-root", filepath.Join(e.folder, "root"), "--exec-root", filepath.Join(e.folder, "exec"),
		"--pidfile", filepath.Join(e.folder, "pid"), "--host", e.Host)
	e.cmd.Stdout, e.cmd.Stderr = output, output
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := e.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = e.cmd.Wait() // its output says why it ended
		close(e.exited)
	}()
	deadline := time.After(startTimeout)
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		if answers(filepath.Join(e.folder, "docker.sock")) {
			return nil
		}
		select {
		case <-tick.C:
		case <-e.exited:
			return fmt.Errorf("dockerd ended as it started:\n%s", e.tail())
		case <-deadline:
			return fmt.Errorf("dockerd did not answer within %v:\n%s", startTimeout, e.tail())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// answers reports whether an engine listens on the socket.
func answers(socket string) bool {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	resp, err := client.Get("http://docker/_ping")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (e *Engine) tail() string {
	text, err := os.ReadFile(filepath.Join(e.folder, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4096):])
}

// stop removes all containers, ends dockerd and removes its folder; an engine of somebody else's is left alone.
func (e *Engine) stop() {
	if e.folder == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if ids, err := e.Command(ctx, "ps", "--all", "--quiet").Output(); err == nil && len(ids) > 0 {
		_ = e.Command(ctx, append([]string{"rm", "--force", "--volumes"}, strings.Fields(string(ids))...)...).Run() // dockerd's end stops them too
	}
	if e.cmd != nil && e.cmd.Process != nil {
		_ = e.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-e.exited:
		case <-ctx.Done():
			_ = syscall.Kill(-e.cmd.Process.Pid, syscall.SIGKILL)
			<-e.exited
		}
	}
	// A container on the host's network makes dockerd hold that network by a mount, which it leaves behind.
	_ = exec.CommandContext(ctx, "umount", filepath.Join(e.folder, "exec", "netns", "default")).Run() // as a rule there is none
	_ = os.RemoveAll(e.folder)                                                                        // what is left is in the folder of temporary files
	_ = e.lock.Close()
}

// BuildStatic compiles a Go program, for this machine and without C, so that it runs in an image that has nothing else.
// pkg is a file or a package pattern as "go build" takes it in the working directory of the test.
func BuildStatic(t testing.TB, pkg, binary string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
}
