package httpapi

import (
	"net/http"

	"github.com/pandakit/panda/internal/agent/origin"
)

// foreign says why a request may come from a web page of another site, or "" when it cannot.
func (h *Handler) foreign(r *http.Request) string {
	return origin.Policy{Loopback: h.cfg.Loopback, Hosts: h.cfg.Hosts}.Refusal(r)
}
