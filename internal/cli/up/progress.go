package up

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/workspace/build"
)

// A build is told of once it takes longer than quiet, and then every reminder.
const (
	quiet    = time.Second
	reminder = 10 * time.Second
)

// progress tells how a build goes while it takes long: first what is built, all of it, and then what is left.
type progress struct {
	screen *screen
	began  time.Time
	ended  chan struct{}
	teller sync.WaitGroup

	all     []string // names of what is built; not changed
	mu      sync.Mutex
	waiting []string // names of what is not built yet
}

func (s *screen) building() *progress {
	p := &progress{screen: s, began: time.Now(), ended: make(chan struct{})}
	for _, service := range s.work.Services {
		p.all = append(p.all, service.Name)
	}
	p.waiting = slices.Clone(p.all)
	p.teller.Go(p.tell)
	return p
}

func (p *progress) tell() {
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	for text, left := "building", p.whole; ; text, left = "still building", p.left {
		select {
		case <-p.ended:
			return
		case <-timer.C:
		}
		if names := left(); len(names) > 0 {
			p.screen.say("%s %s", text, strings.Join(names, ", "))
		}
		timer.Reset(reminder)
	}
}

func (p *progress) whole() []string { return p.all }

func (p *progress) left() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.waiting)
}

// done takes note of one result.
func (p *progress) done(r build.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(name string) bool { return name == r.Target.Name })
}

// end stops the telling and says how long it took, when it worked.
func (p *progress) end(err error) {
	close(p.ended)
	p.teller.Wait()
	if err == nil {
		p.screen.say("built %s in %s", command.Count(len(p.all), "service"), span(time.Since(p.began)))
	}
}
