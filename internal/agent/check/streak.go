package check

import "github.com/pandakit/panda/internal/consulwire"

// streak decides when results in a row change the status. It starts full, so that the first result
// counts at once.
type streak struct {
	successBeforePassing, failuresBeforeWarning, failuresBeforeCritical int
	successes, failures                                                 int
}

func newStreak(d *Definition) streak {
	return streak{
		successBeforePassing: d.SuccessBeforePassing, failuresBeforeWarning: d.FailuresBeforeWarning,
		failuresBeforeCritical: d.FailuresBeforeCritical,
		successes:              d.SuccessBeforePassing, failures: d.FailuresBeforeCritical,
	}
}

// next takes a result and returns the status to report, or "" when the status stays as it is.
func (s *streak) next(status string) string {
	if status == consulwire.Critical {
		s.successes = 0
		s.failures++
		if s.failures >= s.failuresBeforeCritical {
			return consulwire.Critical
		}
		if s.failures >= s.failuresBeforeWarning {
			return consulwire.Warning
		}
		return ""
	}
	s.failures = 0
	s.successes++
	if s.successes >= s.successBeforePassing {
		return status
	}
	return ""
}
