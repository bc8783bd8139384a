package check

import (
	"fmt"
	"strings"

	"github.com/pandakit/panda/internal/consulwire"
)

// Followed is what an alias check looks at, at one moment.
type Followed struct {
	Checks []*consulwire.HealthCheck // those of the node, among which are those of the instance, without the check itself
	Exists bool                      // the instance is registered
	// Changed is closed when any of this may be otherwise.
	Changed <-chan struct{}
}

// alias returns the result of an alias check: the worst of what it follows.
func (d *Definition) alias(f *Followed) Result {
	worst := Result{consulwire.Passing, "No checks found."}
	found := f.Exists
	for _, c := range f.Checks {
		if d.AliasNode != "" && !strings.EqualFold(d.AliasNode, c.Node) || c.ServiceID != "" && c.ServiceID != d.AliasService {
			continue
		}
		found = found || c.ServiceID == d.AliasService
		switch {
		case c.Status == consulwire.Critical:
			return Result{consulwire.Critical, failing(c)}
		case c.Status == consulwire.Warning:
			worst = Result{consulwire.Warning, failing(c)}
		case worst.Status == consulwire.Passing:
			worst.Output = "All checks passing."
		}
	}
	if !found {
		return Result{consulwire.Critical, fmt.Sprintf("Service %s could not be found on node %s", d.AliasService, d.AliasNode)}
	}
	return worst
}

func failing(c *consulwire.HealthCheck) string {
	return fmt.Sprintf("Aliased check %q failing: %s", c.Name, c.Output)
}
