package httpapi

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/pandakit/panda/internal/agent/event"
	"github.com/pandakit/panda/internal/consulwire"
)

func (h *Handler) eventEndpoints() []endpoint {
	return []endpoint{
		{http.MethodPut, "/v1/event/fire/{name...}", h.fireEvent},
		{http.MethodGet, "/v1/event/list", h.listEvents},
	}
}

// eventVersion is that of the form of events.
const eventVersion = 1

func (h *Handler) fireEvent(_ http.ResponseWriter, r *http.Request) (any, error) {
	query := r.URL.Query()
	fired := &consulwire.UserEvent{
		ID: newUUID(), Name: r.PathValue("name"), Version: eventVersion,
		NodeFilter: query.Get("node"), ServiceFilter: query.Get("service"), TagFilter: query.Get("tag"),
	}
	if fired.Name == "" {
		return nil, badRequest("Missing name")
	}
	payload, err := readBody(r)
	if err != nil {
		return nil, err
	}
	if len(payload) > 0 {
		fired.Payload = payload
	}
	if err = event.Validate(fired); err != nil {
		return nil, fail("%v", err)
	}
	h.events.Fire(*fired, event.Concerns(fired, h.cfg.Node, h.ownServices()))
	return fired, nil
}

// ownServices returns the tags of the services that are registered with this agent.
func (h *Handler) ownServices() map[string][]string {
	services := make(map[string][]string)
	for _, i := range h.cfg.Catalog.View().NodeInstances(h.cfg.Node) {
		if i.Local {
			services[i.Service] = append(services[i.Service], i.Tags...)
		}
	}
	return services
}

// listEvents waits while the last event is still the one of ?index: the index of events does not rise.
func (h *Handler) listEvents(w http.ResponseWriter, r *http.Request) (any, error) {
	before, wait, err := waitFor(r)
	if err != nil {
		return nil, err
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		events, changed := h.events.Latest(r.URL.Query().Get("name"))
		index := event.Index(events)
		w.Header().Set("X-Consul-Index", strconv.FormatUint(index, 10))
		if index != before {
			return events, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return events, nil
		case <-r.Context().Done():
			return events, nil
		}
	}
}

// newUUID returns a random UUID in Consul's form, which says nothing of its kind.
func newUUID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
