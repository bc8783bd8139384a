package rollout

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNothingRuns says that no instance of the service runs: there is nothing to upgrade.
var ErrNothingRuns = errors.New("no instance of it runs") //nolint:gochecknoglobals // constant

// ErrKilled says that an instance is gone which had not drained in time: calls that it had are lost. A fleet's Drain returns
// it, wrapped or not.
var ErrKilled = errors.New("it was killed before it had drained") //nolint:gochecknoglobals // constant

// Error is why an upgrade did not get through, and what is there after it.
type Error struct {
	Step     Step
	Err      error      // an *[IncompatibleError], *[WorseError], *[UndecidedError], *[ShareError], [ErrNothingRuns], the cause of the context's end, or the fleet's own
	Upgraded bool       // all new instances serve, and only drains went wrong; else the old ones serve as before
	Serving  []Instance // that serve: the old ones, or the new ones when it is upgraded
	Left     []Instance // that should be gone and may still be there
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%v: %v", e.Step, e.Err)
	if len(e.Left) > 0 {
		text += "; not known to be gone: " + strings.Join(labels(e.Left), ", ")
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

func labels(list []Instance) []string {
	names := make([]string, len(list))
	for at := range list {
		names[at] = list[at].Label
	}
	return names
}

// IncompatibleError says that the new version breaks callers of the old one.
type IncompatibleError struct{ Findings []string } // one a line, for people; never empty

func (e *IncompatibleError) Error() string {
	if len(e.Findings) == 1 {
		return "the new version breaks callers of the old one: " + e.Findings[0]
	}
	return fmt.Sprintf("the new version breaks callers of the old one in %d places", len(e.Findings))
}

// WorseError says that the canary does worse than the old instances.
type WorseError struct {
	Instance   Instance
	Reason     string
	Comparison Comparison
}

func (e *WorseError) Error() string {
	return fmt.Sprintf("%s does worse: %s", e.Instance.Label, e.Reason)
}

// UndecidedError says that the canary's time was over before it had enough calls to be judged.
type UndecidedError struct {
	Instance   Instance
	Comparison Comparison
}

func (e *UndecidedError) Error() string {
	return fmt.Sprintf("%s had %d calls and the old instances %d: a judgement takes %d of each",
		e.Instance.Label, e.Comparison.Fresh.Calls, e.Comparison.Old.Calls, MinCalls)
}

// ShareError says that a canary's share cannot be had with the weights that the old instances are registered with.
type ShareError struct {
	Wanted, Nearest float64 // 0 to 1
	Old             int     // instances
	Weight          int     // that all old instances have together
}

func (e *ShareError) Error() string {
	return fmt.Sprintf("a canary that takes %s of the calls is not possible beside %s of weight %d together: the nearest is %s",
		percent(e.Wanted), instances(e.Old), e.Weight, percent(e.Nearest))
}
