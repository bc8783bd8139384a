package httpapi

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// statuses from best to worst, each with the HTTP status that tells it to a load balancer.
var statuses = []struct {
	name string
	code int
}{
	{consulwire.Passing, http.StatusOK},
	{consulwire.Warning, http.StatusTooManyRequests},
	{consulwire.Critical, http.StatusServiceUnavailable},
	{consulwire.Maintenance, http.StatusServiceUnavailable},
}

// rank returns the place in statuses of a check's effect on its service.
func rank(c *catalog.Check) int {
	if c.CheckID == consulwire.NodeMaintenance || strings.HasPrefix(c.CheckID, consulwire.ServiceMaintenancePrefix) {
		return 3
	}
	return rankOf(c.Status)
}

// rankOf returns the place in statuses of a check's status; what is none counts as critical.
func rankOf(status string) int {
	for n, s := range statuses {
		if s.name == status {
			return n
		}
	}
	return 2
}

// health returns what the agent's own checks say of one of its services, and the place of the worst.
func (h *Handler) health(v catalog.View, i *catalog.Instance) (*consulwire.ServiceHealth, int) {
	checks := []*consulwire.LocalCheck{}
	worst := 0
	for _, c := range append(v.OwnChecks(i.Node), v.InstanceChecks(i.Node, i.ID)...) {
		if c.Local {
			checks = append(checks, localCheck(c))
			worst = max(worst, rank(c))
		}
	}
	return &consulwire.ServiceHealth{
		AggregatedStatus: statuses[worst].name, Service: h.agentService(i), Checks: checks,
	}, worst
}

func localCheck(c *catalog.Check) *consulwire.LocalCheck {
	own := &consulwire.LocalCheck{
		Node: c.Node, CheckID: c.CheckID, Name: c.Name, Status: c.Status, Notes: c.Notes, Output: c.Output,
		ServiceID: c.ServiceID, ServiceName: c.ServiceName,
	}
	if len(c.ServiceTags) > 0 {
		own.ServiceTags = c.ServiceTags // null, not [], without any
	}
	return own
}

func (h *Handler) healthByID(w http.ResponseWriter, r *http.Request) (any, error) {
	id := r.PathValue("id")
	if id == "" {
		return nil, fail("Bad request: Missing serviceID") // Consul says so, with this status
	}
	view := h.cfg.Catalog.View()
	instance := view.Instance(h.cfg.Node, id)
	if instance == nil || !instance.Local {
		answer := &consulwire.ServiceHealth{AggregatedStatus: consulwire.Critical}
		return h.coded(w, r, http.StatusNotFound, fmt.Sprintf("ServiceId %s not found", id), answer)
	}
	answer, worst := h.health(view, instance)
	return h.coded(w, r, statuses[worst].code, statuses[worst].name, answer)
}

func (h *Handler) healthByName(w http.ResponseWriter, r *http.Request) (any, error) {
	name := r.PathValue("name")
	if name == "" {
		return nil, fail("Bad request: Missing service Name")
	}
	view := h.cfg.Catalog.View()
	answer, worst := []*consulwire.ServiceHealth{}, 0
	for _, i := range view.Instances(name) {
		if i.Local && i.Node == h.cfg.Node {
			one, its := h.health(view, i)
			answer, worst = append(answer, one), max(worst, its)
		}
	}
	if len(answer) == 0 {
		return h.coded(w, r, http.StatusNotFound, fmt.Sprintf("ServiceName %s Not Found", name), answer)
	}
	return h.coded(w, r, statuses[worst].code, statuses[worst].name, answer)
}

// coded answers with a status other than 200 without being an error: the body is the answer all the
// same, or the reason alone for a client that wants text.
func (h *Handler) coded(w http.ResponseWriter, r *http.Request, status int, reason string, answer any) (any, error) {
	w.Header().Set("X-Consul-Reason", reason)
	if strings.HasPrefix(r.Header.Get("Accept"), "text/plain") || r.URL.Query().Get("format") == "text" {
		w.Header().Set("Content-Type", "text/plain")
		writeBody(w, status, []byte(reason))
		return written, nil
	}
	if status == http.StatusOK {
		return answer, nil
	}
	return &codedAnswer{status, answer}, nil
}

// codedAnswer is an answer with its status.
type codedAnswer struct {
	status int
	answer any
}
