package discovery

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// UnreachableError says that a service could not be looked up because its registry does not answer and
// nothing is known from before.
type UnreachableError struct {
	Service  string
	Registry string
	Since    time.Time // when the first of the failed attempts began
	Err      error     // of the last attempt
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("look up service %q: %s cannot be reached since %s: %v",
		e.Service, e.Registry, e.Since.Format(time.TimeOnly), e.Err)
}

// Unwrap returns the error of the last attempt.
func (e *UnreachableError) Unwrap() error { return e.Err }

// NotFoundError says that the registry answers and knows no instance of the service.
type NotFoundError struct {
	Service  string
	Registry string
	Near     []string // known names that look like it, nearest first; may be empty
}

func (e *NotFoundError) Error() string {
	text := fmt.Sprintf("look up service %q: %s has no such service", e.Service, e.Registry)
	if len(e.Near) > 0 {
		text += "; near: " + strings.Join(e.Near, ", ")
	}
	return text
}

// UnusableError says that the service has instances, none of which can be called.
type UnusableError struct {
	Service  string
	Registry string
	Refused  []Refusal // every instance, in the snapshot's order
	// Stale is why the set may be outdated: the error of a registry that does not answer now, or nil.
	Stale error
}

// Refusal is one instance and why it cannot be called.
type Refusal struct {
	Instance string // its ID
	Endpoint string // its host:port
	Reason   string // "critical: TTL expired", "connection refused", ...
}

// refusalsShown bounds an error text; the whole list stays in the value.
const refusalsShown = 5

func (e *UnusableError) Error() string {
	var b strings.Builder
	if len(e.Refused) == 1 {
		fmt.Fprintf(&b, "call service %q: its one instance in %s is not usable", e.Service, e.Registry)
	} else {
		fmt.Fprintf(&b, "call service %q: none of its %d instances in %s is usable", e.Service, len(e.Refused), e.Registry)
	}
	for i, r := range e.Refused {
		if i == refusalsShown {
			fmt.Fprintf(&b, "; and %d more", len(e.Refused)-i)
			break
		}
		fmt.Fprintf(&b, "; %s (%s): %s", r.Instance, r.Endpoint, r.Reason)
	}
	if e.Stale != nil {
		fmt.Fprintf(&b, "; the registry does not answer now: %v", e.Stale)
	}
	return b.String()
}

// Unwrap returns Stale.
func (e *UnusableError) Unwrap() error { return e.Stale }

// InvalidError says that a value can never be announced. Field is the path of the value, such as
// "Meta[version]".
type InvalidError struct {
	Field  string
	Value  string
	Reason string
}

// valueShown bounds how much of a value an error text repeats, in characters.
const valueShown = 60

func (e *InvalidError) Error() string {
	value := []rune(e.Value)
	if len(value) > valueShown {
		return fmt.Sprintf("announce service: %s %q… (%d bytes): %s", e.Field, string(value[:valueShown]), len(e.Value), e.Reason)
	}
	return fmt.Sprintf("announce service: %s %q: %s", e.Field, e.Value, e.Reason)
}

// Explain returns why no call can be sent to the service: an *[UnreachableError], a *[NotFoundError]
// without near names, an *[UnusableError], or nil when the snapshot has a usable instance. reason may
// add what the caller has seen of an instance that the registry calls passing ("connection refused");
// the instance then counts as refused. It may be nil.
func Explain(s Snapshot, reason func(Instance) string) error {
	if len(s.Instances) == 0 {
		if s.Err != nil {
			return &UnreachableError{Service: s.Service, Registry: s.Registry, Since: s.Since, Err: s.Err}
		}
		return &NotFoundError{Service: s.Service, Registry: s.Registry}
	}
	refused := make([]Refusal, 0, len(s.Instances))
	for _, instance := range s.Instances {
		why := instanceReason(instance)
		if why == "" && reason != nil {
			why = reason(instance)
		}
		if why == "" {
			return nil
		}
		refused = append(refused, Refusal{Instance: instance.ID, Endpoint: instance.Endpoint(), Reason: why})
	}
	return &UnusableError{Service: s.Service, Registry: s.Registry, Refused: refused, Stale: s.Err}
}

// outputShown bounds what a check says, in characters, where it becomes part of a reason.
const outputShown = 200

// oneLine returns text as a part of an error text: what a check says is another program's, and may be anything.
func oneLine(text string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.TrimSpace(text)))
	if len(runes) > outputShown {
		return string(runes[:outputShown-1]) + "…"
	}
	return string(runes)
}

func instanceReason(i Instance) string {
	worst := i.Status()
	if worst == Passing {
		return ""
	}
	for _, c := range i.Checks {
		if c.Status != worst {
			continue
		}
		if c.Output == "" {
			return string(worst)
		}
		return string(worst) + ": " + oneLine(c.Output)
	}
	return string(worst)
}
