package drill

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/pandakit/panda/conformance/drill/drillpb"
)

// Load is a number of callers, each with one call in flight at any time, that count what fails.
type Load struct {
	stop    context.CancelFunc
	callers sync.WaitGroup

	mu      sync.Mutex
	reads   Count
	writes  Count
	answers map[uint32]int // by process
}

// Count is the outcome of one kind of call.
type Count struct {
	Calls  int
	Failed []Failure
}

// Failure is one call that failed.
type Failure struct {
	Caller  int
	Started time.Time
	Elapsed time.Duration
	Err     error
}

// callDeadline is what a caller gives a call; work is what an instance does for it.
const (
	callDeadline = 10 * time.Second
	workUS       = 2000
)

// StartLoad starts that many callers that read and as many that write.
func StartLoad(client drillpb.DrillClient, callers int) *Load {
	ctx, stop := context.WithCancel(context.Background())
	l := &Load{stop: stop, answers: map[uint32]int{}}
	for caller := range callers {
		l.callers.Go(func() {
			l.call(ctx, caller, &l.reads, func(ctx context.Context, in *drillpb.Request) (*drillpb.Reply, error) { return client.Read(ctx, in) })
		})
		l.callers.Go(func() {
			l.call(ctx, caller, &l.writes, func(ctx context.Context, in *drillpb.Request) (*drillpb.Reply, error) { return client.Write(ctx, in) })
		})
	}
	return l
}

func (l *Load) call(ctx context.Context, caller int, count *Count, one func(context.Context, *drillpb.Request) (*drillpb.Reply, error)) {
	for ctx.Err() == nil {
		started := time.Now()
		calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), callDeadline)
		reply, err := one(calling, &drillpb.Request{WorkUs: workUS})
		cancel()
		l.mu.Lock()
		count.Calls++
		if err != nil {
			count.Failed = append(count.Failed, Failure{caller, started, time.Since(started), err})
		} else {
			l.answers[reply.GetPid()]++
		}
		l.mu.Unlock()
	}
}

// Answers returns how many calls each process has answered until now.
func (l *Load) Answers() map[uint32]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.answers)
}

// Stop lets every caller finish its last call and returns the counts.
func (l *Load) Stop() (reads, writes Count) {
	l.stop()
	l.callers.Wait()
	return l.reads, l.writes
}
