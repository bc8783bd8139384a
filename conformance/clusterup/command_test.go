package clusterup_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pandakit/panda/internal/cluster"
	"github.com/pandakit/panda/internal/cluster/control"
)

// command is the panda that a person has, with a folder of its own for the cluster that runs.
type command struct {
	t       *testing.T
	program string
	run     string
	environ []string
}

func newCommand(t *testing.T) *command {
	t.Helper()
	folder := t.TempDir()
	c := &command{t: t, program: filepath.Join(folder, "panda"), run: filepath.Join(folder, "run")}
	build := exec.Command("go", "build", "-o", c.program, "./cmd/panda")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build panda: %v\n%s", err, out)
	}
	bin := filepath.Join(folder, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary(t), filepath.Join(bin, "consul")); err != nil {
		t.Fatal(err)
	}
	c.environ = append(os.Environ(), "XDG_RUNTIME_DIR="+c.run, "TMPDIR="+folder, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Cleanup(func() { _ = c.command("down").Run() }) // a test that failed may have left one
	return c
}

func (c *command) command(args ...string) *exec.Cmd {
	cmd := exec.Command(c.program, append([]string{"cluster"}, args...)...)
	cmd.Env = c.environ
	return cmd
}

// prints runs a command that must do, and print something.
func (c *command) prints(want string, args ...string) string {
	c.t.Helper()
	out, err := c.command(args...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) {
		c.t.Fatalf("panda cluster %s: %v\n%s\nwant %q", strings.Join(args, " "), err, out, want)
	}
	return string(out)
}

// refuses runs a command that must not do, with an error.
func (c *command) refuses(code int, want string, args ...string) {
	c.t.Helper()
	cmd := c.command(args...)
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != code || !strings.Contains(string(out), want) || strings.Count(string(out), "panda: ") != 1 {
		c.t.Errorf("panda cluster %s: %v\n%s\nwant exit code %d and %q", strings.Join(args, " "), err, out, code, want)
	}
}

func (c *command) status() cluster.Status {
	c.t.Helper()
	var s cluster.Status
	if err := json.Unmarshal([]byte(c.prints("", "status", "--json")), &s); err != nil {
		c.t.Fatal(err)
	}
	return s
}

// nothingLeft wants no process of the nodes, and no file of the cluster's.
func (c *command) nothingLeft(nodes cluster.Status) {
	c.t.Helper()
	for _, n := range nodes.Nodes {
		eventually(c.t, func() error { // a process that nobody waits for is cleared by the system in its own time
			if n.PID > 0 && syscall.Kill(n.PID, 0) == nil {
				return &cluster.RefusedError{Text: n.Name + " is left"}
			}
			return nil
		})
	}
	for _, path := range []string{nodes.Data, filepath.Join(c.run, "panda-cluster")} {
		if _, err := os.Lstat(path); err == nil {
			c.t.Errorf("%s is left", path)
		}
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	c := newCommand(t)
	up := []string{"up", "--detach", "--servers", "1", "--ports", "13500"}
	if out := c.prints("Ready in ", up...); !strings.Contains(out, "export CONSUL_HTTP_ADDR=http://127.0.0.1:13710\n") {
		t.Errorf("up prints\n%s\nwant the client agent's address", out)
	}
	c.refuses(1, "a cluster of yours is running already", up...)
	c.refuses(1, "the nodes share this machine's loopback interface", "partition", "n1")
	c.refuses(1, "panda cluster up --namespaces", "exec", "n1", "--", "true")
	c.refuses(1, "this cluster takes calls without one", "token", "hello")
	c.refuses(2, `no node is called "n22"; near: n2`, "kill", "n22")
	c.prints("killed n2", "kill", "n2")
	c.refuses(1, "kill n2: it is dead", "kill", "n2")
	c.prints("dead", "status")
	c.prints("started n2", "start", "n2")
	c.prints("frozen n2", "freeze", "n2")
	c.refuses(1, "stop n2: it is frozen", "stop", "n2")
	c.prints("thawed n2", "thaw", "n2")
	nodes := c.status()
	c.prints("the cluster is down", "down")
	c.nothingLeft(nodes)

	c.prints("Ready in ", up...)
	nodes = c.status()
	running, err := control.Find(filepath.Join(c.run, "panda-cluster"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(running.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if running.Alive() {
			return &cluster.RefusedError{Text: "it is alive"}
		}
		return nil
	})
	c.refuses(1, "the cluster was killed", "status")
	c.prints("removed what a killed cluster had left", "down")
	c.nothingLeft(nodes)
	c.prints("no cluster is running", "down")
}
