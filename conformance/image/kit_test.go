package image

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/conformance/dockerd"
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
	if built.folder != "" {
		_ = os.RemoveAll(built.folder) // it is in the folder of temporary files
	}
	if err := goleak.Find(); err != nil && code == 0 {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

// built is the command, compiled once and as its users have it: compressing takes ten times as long under the race detector.
var built struct {
	sync.Once

	folder string
	err    error
}

// panda runs the command in a folder and returns what it printed. It gets nothing over the network.
func panda(t *testing.T, dir string, environ []string, args ...string) string {
	t.Helper()
	built.Do(func() {
		built.folder, built.err = os.MkdirTemp("", "panda-image-test-") //nolint:usetesting // it is for all tests
		if built.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", built.folder, "./cmd/panda")
		build.Dir = repository
		if out, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal("build panda:", built.err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(built.folder, "panda"), args...)
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), "GOFLAGS=", "GOPROXY=off"), environ...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("panda %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
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
