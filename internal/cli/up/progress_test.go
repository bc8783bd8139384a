package up

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/build"
)

// printed is what was printed so far.
type printed struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// A build that takes long is told of with all that it builds, whatever is built by then, and later with what is left.
func TestProgressOfABuild(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out printed
		work := new(workspace.Workspace)
		for _, name := range []string{"hello", "web", "shop"} {
			work.Services = append(work.Services, &workspace.Service{Name: name, Replicas: 1})
		}
		p := newScreen(&command.Env{Stdout: &out}, work, time.Now()).building()
		built := func(name string) { p.done(build.Result{Target: &build.Target{Name: name}}) }
		built("web")
		at := func(passed time.Duration, want string) {
			t.Helper()
			time.Sleep(passed) // of the bubble, where it takes no time
			synctest.Wait()
			if out.String() != want {
				t.Errorf("it tells\n%swant\n%s", &out, want)
			}
		}
		at(quiet-1, "")
		at(1, "▸ building hello, web, shop\n")
		built("shop")
		at(reminder, "▸ building hello, web, shop\n▸ still building hello\n")
		built("hello")
		at(reminder, "▸ building hello, web, shop\n▸ still building hello\n")
		p.end(errors.New("it does not compile"))
		at(0, "▸ building hello, web, shop\n▸ still building hello\n")
	})
}
