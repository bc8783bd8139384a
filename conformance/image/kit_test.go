package image

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/conformance/dockerd"
	"github.com/pandakit/panda/internal/cli"
	"github.com/pandakit/panda/internal/cli/command"
)

const (
	repository = "../.."
	budget     = 2 << 20 // bytes that an image may have beyond its program
	patience   = 60 * time.Second
	retryEvery = 50 * time.Millisecond
)

func TestMain(m *testing.M) {
	code := m.Run()
	dockerd.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

// panda runs the command in a folder and returns what it printed. It gets nothing over the network.
func panda(t *testing.T, dir string, environ []string, args ...string) string {
	t.Helper()
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	environ = append(append(os.Environ(), "GOFLAGS=", "GOPROXY=off"), environ...)
	var stdout, stderr bytes.Buffer
	code := cli.Main(t.Context(), &command.Env{
		Program: "panda", Args: args, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Dir: dir,
		Environ: func() []string { return environ },
		Getenv: func(name string) string {
			value := ""
			for _, e := range environ {
				if text, found := strings.CutPrefix(e, name+"="); found {
					value = text
				}
			}
			return value
		},
	})
	if code != command.ExitDone {
		t.Fatalf("panda %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// made is what --json tells of an image.
type made struct {
	Service, Name, Digest string
	Platforms             []struct{ Content, Program int64 }
}

func parse(t *testing.T, text string) []made {
	t.Helper()
	var images []made
	if err := json.Unmarshal([]byte(text), &images); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return images
}

// remove takes an image out of the engine when the test ends.
func remove(t *testing.T, engine *dockerd.Engine, image string) {
	t.Helper()
	t.Cleanup(func() {
		if out, err := engine.Command(context.Background(), "rmi", "--force", image).CombinedOutput(); err != nil {
			t.Errorf("remove %s: %v\n%s", image, err, out)
		}
	})
}

// start starts a container that goes with the test, and returns its ID.
func start(t *testing.T, engine *dockerd.Engine, args ...string) string {
	t.Helper()
	id := engine.Run(t, append([]string{"run", "--detach"}, args...)...)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := engine.Command(context.Background(), "logs", id).CombinedOutput()
			t.Logf("the container has said:\n%s", out)
		}
		_ = engine.Command(context.Background(), "rm", "--force", "--volumes", id).Run() // it may be gone
	})
	return id
}

// await asks again and again until what is asked of the engine is answered by want.
func await(t *testing.T, engine *dockerd.Engine, want string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		got := engine.Run(t, args...)
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("docker %s is %q after %v, want %q", strings.Join(args, " "), got, patience, want)
		}
	}
}
