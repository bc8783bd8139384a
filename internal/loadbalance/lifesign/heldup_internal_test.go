package lifesign

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

type muteHost struct{}

func (muteHost) Latency() time.Duration { return 0 }
func (muteHost) Quiet()                 {}
func (muteHost) Turned()                {}

func (muteHost) Ask(ctx context.Context) Answer {
	<-ctx.Done()
	return Nothing
}

// A process that was held up itself has not given the others the time to answer.
func TestHeldUpProcessBlamesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		base := time.Now().Add(-time.Hour)
		w := NewWatchman(func() int64 { return int64(time.Since(base)) })
		defer w.Close()
		i := NewInstance(muteHost{})
		w.Join(i)
		w.Begin(i, w.clock())
		pass(300 * time.Millisecond)
		w.timer.Stop() // the looks that are due have to wait, as all of a frozen process does
		pass(3 * time.Second)
		w.look()
		pass(60 * time.Millisecond)
		if i.Silent() {
			t.Error("the instance is blamed")
		}
		pass(time.Second)
		if !i.Silent() {
			t.Error("the instance had its time, and is not blamed")
		}
		w.End(i, 1, w.clock(), false)
	})
}
