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

// progress tells how a build goes while it takes long.
type progress struct {
	screen *screen
	began  time.Time
	ended  chan struct{}
	teller sync.WaitGroup

	mu      sync.Mutex
	waiting []string // names of what is not built yet
	total   int
}

func (s *screen) building() *progress {
	p := &progress{screen: s, began: time.Now(), ended: make(chan struct{})}
	for _, service := range s.work.Services {
		p.waiting = append(p.waiting, service.Name)
	}
	p.total = len(p.waiting)
	p.teller.Go(p.tell)
	return p
}

func (p *progress) tell() {
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	for text := "building"; ; text = "still building" {
		select {
		case <-p.ended:
			return
		case <-timer.C:
		}
		p.mu.Lock()
		waiting := strings.Join(p.waiting, ", ")
		p.mu.Unlock()
		if waiting != "" {
			p.screen.say("%s %s", text, waiting)
		}
		timer.Reset(reminder)
	}
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
		p.screen.say("built %s in %s", command.Count(p.total, "service"), span(time.Since(p.began)))
	}
}
