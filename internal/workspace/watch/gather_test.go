package watch

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gathering is gather in a bubble of fake time.
type gathering struct {
	changes chan change
	batches chan Batch
	began   time.Time
}

// newGathering is for the inside of a bubble.
func newGathering(t *testing.T) *gathering {
	t.Helper()
	g := &gathering{make(chan change), make(chan Batch), time.Now()}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		gather(ctx, g.changes, g.batches)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return g
}

// next returns a batch and when it came.
func (g *gathering) next() (Batch, time.Duration) {
	b := <-g.batches
	return b, time.Since(g.began)
}

func TestABatchIsCompleteWhenItIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGathering(t)
		for range 3 { // an editor writes, writes again and renames
			g.changes <- change{path: "b"}
			g.changes <- change{path: "a"}
			time.Sleep(Quiet / 2)
		}
		b, at := g.next()
		if fmt.Sprint(b.Paths) != "[a b]" || b.First != g.began || b.Lost || at != 2*Quiet {
			t.Errorf("the batch is %+v after %v", b, at)
		}
		select {
		case b := <-g.batches:
			t.Errorf("there is another one: %+v", b)
		case <-time.After(time.Hour):
		}
	})
}

func TestABatchEndsThoughFilesGoOnChanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGathering(t)
		stop := make(chan struct{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				select {
				case g.changes <- change{path: "a"}:
				case <-stop:
					return
				}
				time.Sleep(Quiet / 2)
			}
		}()
		if _, at := g.next(); at > Longest+Quiet {
			t.Errorf("the batch comes after %v, want at most %v", at, Longest)
		}
		close(stop)
		<-ended
	})
}

// What changes while nobody takes the batch is in it.
func TestABatchGrowsUntilItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGathering(t)
		g.changes <- change{path: "a"}
		time.Sleep(time.Minute)
		g.changes <- change{path: "b"}
		time.Sleep(time.Minute)
		b, _ := g.next()
		if fmt.Sprint(b.Paths) != "[a b]" || b.First != g.began {
			t.Errorf("the batch is %+v", b)
		}
		g.changes <- change{path: "c"}
		if b, _ := g.next(); fmt.Sprint(b.Paths) != "[c]" || b.First.Sub(g.began) != 2*time.Minute {
			t.Errorf("the batch after it is %+v", b)
		}
	})
}

func TestABatchIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGathering(t)
		for n := range maxPaths + 2 {
			g.changes <- change{path: fmt.Sprint(n)}
		}
		if b, _ := g.next(); len(b.Paths) != maxPaths || !b.Lost {
			t.Errorf("the batch has %d paths, lost %v; want %d, true", len(b.Paths), b.Lost, maxPaths)
		}
		g.changes <- change{lost: true}
		if b, _ := g.next(); len(b.Paths) != 0 || !b.Lost {
			t.Errorf("the batch is %+v, want that all may have changed", b)
		}
	})
}
