package loadbalance_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/loadbalance"
)

const mute = "it answers nothing"

func TestSilentInstanceUnderLoad(t *testing.T) {
	a, b, victim := start(t, "a"), start(t, "b"), start(t, "victim")
	c := dial(t, nil, a, b, victim)
	wait(t, c)
	warm(t, c, a, b, victim)
	reads, adds := begin(t, c, read, 8, nil), begin(t, c, add, 8, nil)
	reads.more(t, 500)
	speak := victim.silence(t)
	eventually(t, "the client knows", func() bool { return c.availability.Refusal(victim.instance) == mute })
	reads.more(t, 500)
	speak()
	eventually(t, "it is used again", func() bool { return c.availability.Refusal(victim.instance) == "" })
	served := victim.served.Load()
	eventually(t, "it serves again", func() bool { return victim.served.Load() > served+100 })
	reads.end(t, "an idempotent call failed")
	adds.end(t, "a call that waited for its instance failed")
}

// A call that must not be sent again stays where it is, one that may is made anew.
func TestSilenceMovesWhatMayBeSentAgain(t *testing.T) {
	other, victim := start(t, "other"), start(t, "victim")
	c := dial(t, nil, victim)
	wait(t, c)
	warm(t, c, victim)
	speak := victim.silence(t)
	var calls sync.WaitGroup
	answered := make(chan string, 2)
	for _, method := range []string{read, add} {
		calls.Go(func() {
			id, err := c.call(context.Background(), method)
			if err != nil {
				t.Errorf("%s: %v", method, err)
			}
			answered <- method + " by " + id
		})
	}
	defer calls.Wait()
	defer speak()
	eventually(t, "the client knows", func() bool { return c.availability.Refusal(victim.instance) == mute })
	if c.availability.Ready() {
		t.Error("ready, with no instance that answers")
	}
	select {
	case first := <-answered:
		t.Fatalf("%s, before there was another instance", first)
	default:
	}
	c.update(other, victim)
	if first := <-answered; first != read+" by other" {
		t.Errorf("first was %s, want the read that was made anew", first)
	}
	speak()
	if second := <-answered; second != add+" by victim" {
		t.Errorf("then %s, want the call that had waited", second)
	}
}

// An instance that has left the registry is watched as long as calls are in flight on it.
func TestSilenceOfRemovedInstance(t *testing.T) {
	other, victim := start(t, "other"), start(t, "victim")
	c := dial(t, nil, victim)
	wait(t, c)
	warm(t, c, victim)
	victim.silence(t)
	before := victim.served.Load()
	answered := make(chan string, 1)
	var calls sync.WaitGroup
	defer calls.Wait()
	calls.Go(func() {
		id, err := c.call(context.Background(), read)
		if err != nil {
			t.Error(err)
		}
		answered <- id
	})
	eventually(t, "the client knows", func() bool { return c.availability.Refusal(victim.instance) == mute })
	c.update(other)
	if by := <-answered; by != "other" {
		t.Errorf("answered by %s", by)
	}
	if served := victim.served.Load(); served != before {
		t.Errorf("the silent instance has served %d calls", served-before)
	}
}

func TestSlowIsNotSilent(t *testing.T) {
	slow, other := start(t, "slow"), start(t, "other")
	c := dial(t, nil, slow, other)
	wait(t, c)
	warm(t, c, slow, other)
	const work = 1200 * time.Millisecond // longer than it takes to notice silence
	slow.answers(after(work))
	other.answers(after(work))
	before := slow.served.Load() + other.served.Load()
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			if _, err := c.call(context.Background(), read); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if served := slow.served.Load() + other.served.Load() - before; served != 8 {
		t.Errorf("8 calls were sent %d times", served)
	}
}

// A server may allow no more calls at once than there are: the question whether it lives waits for its turn.
func TestQueuedQuestionIsNoSilence(t *testing.T) {
	full := startWith(t, "full", "127.0.0.1:0", 2)
	other := start(t, "other")
	c := dial(t, func(c *loadbalance.Config) { c.ConnectionsPerInstance = 1 }, full)
	wait(t, c)
	warm(t, c, full)
	full.answers(after(1200 * time.Millisecond))
	var calls sync.WaitGroup
	before := full.served.Load()
	for range 2 {
		calls.Go(func() {
			if id, err := c.call(context.Background(), read); err != nil || id != "full" {
				t.Errorf("answered by %q, %v", id, err)
			}
		})
	}
	eventually(t, "both calls are under way", func() bool { return full.served.Load() == before+2 })
	c.update(full, other)
	calls.Wait()
	if why := c.availability.Refusal(full.instance); strings.Contains(why, mute) {
		t.Errorf("refused because %s", why)
	}
}
