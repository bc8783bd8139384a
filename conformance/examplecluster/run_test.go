package examplecluster

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/pandakit/panda/conformance/dockerd"
	"github.com/pandakit/panda/conformance/freeport"
	"github.com/pandakit/panda/conformance/realconsul"
)

const script = "../../examples/cluster/run.sh"

func TestMain(m *testing.M) {
	code := m.Run()
	dockerd.Stop()
	os.Exit(code)
}

// TestRun has the script do all that it does, and holds it to its own count.
func TestRun(t *testing.T) {
	engine := dockerd.Get(t)
	if _, err := realconsul.Binary(t.Context()); err != nil { // the script finds it where it is kept
		t.Fatal(err)
	}
	ports := freeport.Find(t, 2)
	temp := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "bash", script)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+engine.Host, "CONSUL_IMAGE=build", "TMPDIR="+temp, "CALLS=500",
		"AGENT_PORT="+strconv.Itoa(ports[0]), "WEB_PORT="+strconv.Itoa(ports[1]))
	if client := "/usr/bin/docker"; isThere(client) { // Debian's, of the engine's own version
		cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(client)+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, &output)
	}
	row := regexp.MustCompile(`(?m)^(upgrade|leader) +(hello over gRPC|panda over net/rpc|web over HTTP) +(\d+) +(\d+) +\d+ ms$`)
	rows := row.FindAllStringSubmatch(output.String(), -1)
	if len(rows) != 6 {
		t.Fatalf("%d rows, want three services in two phases:\n%s", len(rows), &output)
	}
	for _, r := range rows {
		if calls, err := strconv.Atoi(r[3]); err != nil || calls < 500 || r[4] != "0" {
			t.Errorf("%s of %s: %s calls, %s failed; want 500 or more, none failed", r[1], r[2], r[3], r[4])
		}
	}
	for _, want := range []string{`was killed as it led; a new leader after \d+ s, a write after \d+ s\n`, `\n0 failed calls\n`} {
		if !regexp.MustCompile(want).MatchString(output.String()) {
			t.Errorf("the summary has no %s:\n%s", want, &output)
		}
	}
	upgraded := regexp.MustCompile(`(?m)^\S+ +\S+ +passing +consul-agent +1\.1\.0`)
	if n := len(upgraded.FindAllString(output.String(), -1)); n != 3 {
		t.Errorf("%d instances of the new version, want 3:\n%s", n, &output)
	}
	left := engine.Run(t, "ps", "--all", "--quiet", "--filter", "network=panda-example_default") +
		engine.Run(t, "images", "--quiet", "--filter", "reference=panda-example/*") +
		engine.Run(t, "volume", "ls", "--quiet", "--filter", "name=panda-example") +
		engine.Run(t, "network", "ls", "--quiet", "--filter", "name=panda-example")
	if left != "" {
		t.Errorf("the script has left %s", left)
	}
	if files, err := os.ReadDir(temp); err != nil || len(files) > 0 {
		t.Errorf("the script has left files: %v, %v", files, err)
	}
}

// TestUsage holds that a word it does not know is no reason to begin.
func TestUsage(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "bash", script, "now").CombinedOutput()
	if code := exitCode(err); code != 2 || !strings.Contains(string(out), "CONSUL_IMAGE") {
		t.Errorf("exit code %d, want 2; %s", code, out)
	}
}

func exitCode(err error) int {
	exit, ok := err.(*exec.ExitError) //nolint:errorlint // it is not wrapped
	if !ok {
		return 0
	}
	return exit.ExitCode()
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
