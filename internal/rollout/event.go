package rollout

import (
	"fmt"
	"time"
)

// Step is a part of an upgrade.
type Step int

// The steps, in their order.
const (
	Looking    Step = iota // which instances run
	Rehearsing             // the new version is compared with them
	Judging                // the canary takes calls
	Starting               // the new version starts beside the old one
	Draining               // the old version ends
)

func (s Step) String() string {
	names := [...]string{"look at what runs", "rehearse", "canary", "start", "drain"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("step %d", int(s))
	}
	return names[s]
}

// Kind says what happened.
type Kind int

// What can happen in an upgrade, in the order in which it does.
const (
	Found         Kind = iota // Count instances are to be replaced, of which Left are too many; Instance is the oldest
	Rehearsed                 // Instance serves, unregistered
	Compatible                // its API breaks no caller of the old one
	CanaryStarted             // Instance is passing, with the Share that its weight gives it
	Judged                    // the canary is no worse; Comparison says by what
	Started                   // Instance, the Nth of Count that are to stay, is passing
	Drained                   // Instance, the Nth of Count that are to go, is gone
	Done                      // Count instances of the new version run, and nothing else
	TooLate                   // the context has ended when only drains were left, which go on
	TakingBack                // Count new instances are drained, because of Err
	TakenBack                 // Instance, a new one, is gone
	Killed                    // Instance is gone, and did not drain in time
	NotDrained                // Instance may still be there, because of Err
)

// Event is a step of an upgrade. Fields that are not named with a kind above are set where they make sense.
type Event struct {
	At         time.Time
	Kind       Kind
	Instance   Instance
	Nth, Count int
	Left       int           // of Found: by an upgrade that was killed
	Share      float64       // of the calls, 0 to 1
	Time       time.Duration // of CanaryStarted: how long it is judged
	Took       time.Duration
	Comparison *Comparison
	Err        error
}

// String tells the event to people, without its time.
func (e Event) String() string {
	took := e.Took.Round(time.Millisecond)
	switch e.Kind {
	case Found:
		if e.Left > 0 {
			return fmt.Sprintf("%s, of which an upgrade that was killed has left %d too many; all serve on until %d of the new version do",
				instances(e.Count), e.Left, e.Count-e.Left)
		}
		return fmt.Sprintf("%s of the old version, %s", instances(e.Count), pronoun(e.Count, "which serves on until the new one does", "which serve on until the new ones do"))
	case Rehearsed:
		return fmt.Sprintf("the new version serves at %s, where nobody calls it, after %v", e.Instance.Address, took)
	case Compatible:
		return "its API breaks no caller of the old version"
	case CanaryStarted:
		return fmt.Sprintf("%s is passing at %s and takes %s of the calls for %v", e.Instance.Label, e.Instance.Address, percent(e.Share), e.Time)
	case Judged:
		return fmt.Sprintf("%s does no worse: %v", e.Instance.Label, e.Comparison)
	case Started:
		return fmt.Sprintf("%s is passing at %s after %v (%d of %d)", e.Instance.Label, e.Instance.Address, took, e.Nth, e.Count)
	case Drained:
		return fmt.Sprintf("%s has drained in %v (%d of %d)", e.Instance.Label, took, e.Nth, e.Count)
	case Done:
		return fmt.Sprintf("done in %v: %s of the new version", took, instances(e.Count))
	case TooLate:
		return "interrupted, but only drains are left, which go on; once more ends this at once"
	case TakingBack:
		return fmt.Sprintf("taking %s of the new version back: %v", instances(e.Count), e.Err)
	case TakenBack:
		return fmt.Sprintf("%s has drained in %v", e.Instance.Label, took)
	case Killed:
		return fmt.Sprintf("%s did not drain, and was killed after %v", e.Instance.Label, took)
	case NotDrained:
		return fmt.Sprintf("%s may still be there: %v", e.Instance.Label, e.Err)
	}
	return fmt.Sprintf("event %d", int(e.Kind))
}

func instances(n int) string {
	if n == 1 {
		return "1 instance"
	}
	return fmt.Sprintf("%d instances", n)
}

func pronoun(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// percent shows a share with as many digits as tell something.
func percent(share float64) string { return fmt.Sprintf("%.3g%%", 100*share) }
