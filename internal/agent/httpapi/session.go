package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/session"
	"github.com/pandakit/panda/internal/consulwire"
)

func (h *Handler) sessionEndpoints() []endpoint {
	return []endpoint{
		{http.MethodPut, "/v1/session/create", h.createSession},
		{http.MethodPut, "/v1/session/destroy/{name...}", h.destroySession},
		{http.MethodPut, "/v1/session/renew/{name...}", h.renewSession},
		{http.MethodGet, "/v1/session/info/{name...}", h.stateQuery(named(catalog.Session), sessionInfo)},
		{http.MethodGet, "/v1/session/node/{name...}", h.stateQuery(named(catalog.NodeSessions), nodeSessions)},
		{http.MethodGet, "/v1/session/list", h.stateQuery(whole(catalog.Sessions), listSessions)},
	}
}

// defaultLockDelay is how long the keys of a session that says nothing else stay closed after it.
const defaultLockDelay = 15 * time.Second

func (h *Handler) createSession(w http.ResponseWriter, r *http.Request) (any, error) {
	s := consulwire.SessionCreation{Session: consulwire.Session{
		Node: h.cfg.Node, LockDelay: defaultLockDelay, Behavior: consulwire.SessionRelease,
		NodeChecks: []string{consulwire.SerfHealth}, Checks: []string{consulwire.SerfHealth},
	}}
	data, err := body(w, r, maxBody, "https://www.consul.io/api-docs/session#create-session")
	if err != nil {
		return nil, err
	}
	if len(data) > 0 {
		if err := json.NewDecoder(bytes.NewReader(data)).Decode(&s); err != nil {
			return nil, badRequest("Request decode failed: %v", err)
		}
	}
	oneSpelling(&s.Session)
	if err := h.cfg.Sessions.Create(&s.Session); err != nil {
		return nil, failed(err)
	}
	return consulwire.SessionID{ID: s.ID}, nil
}

// oneSpelling settles what Checks, the older spelling, means beside NodeChecks. Both stand for serfHealth unless the
// request says otherwise.
func oneSpelling(s *consulwire.Session) {
	switch {
	case len(s.Checks) == 0:
		s.NodeChecks = []string{}
	case len(s.Checks) == 1 && s.Checks[0] == consulwire.SerfHealth, len(s.NodeChecks) == 0:
		s.Checks = nil
	}
}

// failed is an error of the sessions with the status and text that Consul has for it.
func failed(err error) error {
	text := err.Error()
	if _, ok := errors.AsType[*session.InvalidError](err); !ok {
		text = "apply failed: " + stateText(err)
	}
	return &statusError{http.StatusInternalServerError, text}
}

// stateText words an error of the catalog as Consul does.
func stateText(err error) string {
	switch {
	case errors.Is(err, catalog.ErrNoNode):
		return "Missing node registration"
	case errors.Is(err, catalog.ErrNoInstance):
		return "Missing service registration"
	}
	return err.Error()
}

func (h *Handler) destroySession(_ http.ResponseWriter, r *http.Request) (any, error) {
	id := r.PathValue("name")
	if id == "" {
		return nil, badRequest("Missing session")
	}
	if err := h.cfg.Sessions.Destroy(id); err != nil {
		return nil, failed(err)
	}
	return true, nil
}

func (h *Handler) renewSession(_ http.ResponseWriter, r *http.Request) (any, error) {
	id := r.PathValue("name")
	if id == "" {
		return nil, badRequest("Missing session")
	}
	s := h.cfg.Sessions.Renew(id)
	if s == nil {
		return nil, &statusError{http.StatusNotFound, fmt.Sprintf("Session id '%s' not found", id)}
	}
	return []*consulwire.Session{s}, nil
}

func sessionInfo(v catalog.View, r *http.Request) (any, error) {
	id := r.PathValue("name")
	if id == "" {
		return nil, badRequest("Missing session")
	}
	if s := v.Session(id); s != nil {
		return []*consulwire.Session{s}, nil
	}
	return []*consulwire.Session{}, nil
}

func nodeSessions(v catalog.View, r *http.Request) (any, error) {
	node := r.PathValue("name")
	if node == "" {
		return nil, badRequest("Missing node name")
	}
	return list(v.NodeSessions(node)), nil
}

func listSessions(v catalog.View, _ *http.Request) (any, error) { return list(v.Sessions()), nil }
