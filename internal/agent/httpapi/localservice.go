package httpapi

import (
	"net/http"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// localService answers with one service. With ?hash it waits while the service still has that hash:
// there is no index here.
func (h *Handler) localService(w http.ResponseWriter, r *http.Request) (any, error) {
	_, wait, err := waitFor(r)
	if err != nil {
		return nil, err
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		view := h.cfg.Catalog.View()
		service, err := h.hashed(view, r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		w.Header().Set("X-Consul-ContentHash", service.ContentHash)
		if r.URL.Query().Get("hash") != service.ContentHash {
			return service, nil
		}
		select {
		case <-view.Mark(catalog.Service(service.Service)).Changed:
		case <-timeout.C:
			return service, nil
		case <-r.Context().Done():
			return service, nil
		}
	}
}

func (h *Handler) hashed(v catalog.View, id string) (*consulwire.AgentService, error) {
	instance := v.Instance(h.cfg.Node, id)
	if instance == nil || !instance.Local {
		return nil, &statusError{http.StatusNotFound, "unknown service ID: " + id}
	}
	service := h.agentService(instance)
	service.ContentHash = contentHash(service)
	return service, nil
}
