package httpapi

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/filter"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/consulwire"
)

func (h *Handler) agentEndpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/v1/agent/services", h.localServices},
		{http.MethodGet, "/v1/agent/service/{id...}", h.localService},
		{http.MethodGet, "/v1/agent/checks", h.localChecks},
		{http.MethodGet, "/v1/agent/health/service/id/{id...}", h.healthByID},
		{http.MethodGet, "/v1/agent/health/service/name/{name...}", h.healthByName},
		{http.MethodPut, "/v1/agent/service/register", h.registerService},
		{http.MethodPut, "/v1/agent/service/deregister/{id...}", h.deregisterService},
		{http.MethodPut, "/v1/agent/service/maintenance/{id...}", h.serviceMaintenance},
		{http.MethodPut, "/v1/agent/maintenance", h.nodeMaintenance},
		{http.MethodPut, "/v1/agent/check/register", h.registerCheck},
		{http.MethodPut, "/v1/agent/check/deregister/{id...}", h.deregisterCheck},
		{http.MethodPut, "/v1/agent/check/pass/{id...}", h.renew(consulwire.Passing)},
		{http.MethodPut, "/v1/agent/check/warn/{id...}", h.renew(consulwire.Warning)},
		{http.MethodPut, "/v1/agent/check/fail/{id...}", h.renew(consulwire.Critical)},
		{http.MethodPut, "/v1/agent/check/update/{id...}", h.updateCheck},
	}
}

func (h *Handler) registerService(_ http.ResponseWriter, r *http.Request) (any, error) {
	var registration consulwire.ServiceRegistration
	if err := decode(r, &registration); err != nil {
		return nil, err
	}
	query := r.URL.Query()
	replace := query.Has("replace-existing-checks") &&
		(query.Get("replace-existing-checks") == "" || query.Get("replace-existing-checks") == "true")
	return nil, h.cfg.Registrar.Register(&registration, replace)
}

func (h *Handler) deregisterService(_ http.ResponseWriter, r *http.Request) (any, error) {
	return nil, h.cfg.Registrar.Deregister(r.PathValue("id"))
}

func (h *Handler) registerCheck(_ http.ResponseWriter, r *http.Request) (any, error) {
	var registration consulwire.CheckRegistration
	if err := decode(r, &registration); err != nil {
		return nil, err
	}
	err := h.cfg.Registrar.RegisterCheck(&registration)
	if unknown, ok := errors.AsType[*registrar.UnknownServiceError](err); ok {
		return nil, &statusError{http.StatusNotFound, "ServiceID " + strconv.Quote(unknown.ID) + " does not exist"}
	}
	return nil, err
}

func (h *Handler) deregisterCheck(_ http.ResponseWriter, r *http.Request) (any, error) {
	return nil, h.cfg.Registrar.DeregisterCheck(r.PathValue("id"))
}

func (h *Handler) renew(status string) func(http.ResponseWriter, *http.Request) (any, error) {
	return func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return nil, h.cfg.Registrar.Renew(r.PathValue("id"), status, r.URL.Query().Get("note"))
	}
}

func (h *Handler) updateCheck(_ http.ResponseWriter, r *http.Request) (any, error) {
	var update consulwire.CheckUpdate
	if err := decode(r, &update); err != nil {
		return nil, err
	}
	if !registrar.ValidStatus(update.Status) {
		return nil, badRequest("Invalid check status: '%s'", update.Status)
	}
	return nil, h.cfg.Registrar.Renew(r.PathValue("id"), update.Status, update.Output)
}

func (h *Handler) serviceMaintenance(_ http.ResponseWriter, r *http.Request) (any, error) {
	id := r.PathValue("id")
	if id == "" {
		return nil, badRequest("Missing service ID")
	}
	on, err := enable(r)
	if err != nil {
		return nil, err
	}
	return nil, h.cfg.Registrar.SetServiceMaintenance(id, on, r.URL.Query().Get("reason"))
}

func (h *Handler) nodeMaintenance(_ http.ResponseWriter, r *http.Request) (any, error) {
	on, err := enable(r)
	if err != nil {
		return nil, err
	}
	return nil, h.cfg.Registrar.SetNodeMaintenance(on, r.URL.Query().Get("reason"))
}

func enable(r *http.Request) (bool, error) {
	query := r.URL.Query()
	value := query.Get("enable")
	if !query.Has("enable") {
		return false, badRequest("Missing value for enable")
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, badRequest("Invalid value for enable: %q", value)
	}
	return on, nil
}

func (h *Handler) localChecks(_ http.ResponseWriter, r *http.Request) (any, error) {
	selected, err := filter.Compile[consulwire.HealthCheck](r.URL.Query().Get("filter"))
	if _, wrong := errors.AsType[*filter.SyntaxError](err); wrong {
		return nil, failure(err)
	}
	checks := map[string]*consulwire.HealthCheck{}
	for _, c := range h.cfg.Catalog.View().NodeChecks(h.cfg.Node) {
		if c.Local && err != nil { // Consul holds the expression against its first check, and so against none without any
			return nil, failure(errors.Unwrap(err)) // and says no more than what is wrong
		}
		if c.Local && selected.Fits(&c.HealthCheck) {
			own := c.HealthCheck
			own.CreateIndex, own.ModifyIndex = 0, 0 // the agent's own list has no indexes
			checks[c.CheckID] = &own
		}
	}
	return checks, nil
}

func (h *Handler) localServices(_ http.ResponseWriter, r *http.Request) (any, error) {
	selected, err := selector[consulwire.AgentService](r.URL.Query())
	if err != nil {
		return nil, err
	}
	services := map[string]*consulwire.AgentService{}
	for _, i := range h.cfg.Catalog.View().NodeInstances(h.cfg.Node) {
		if service := h.agentService(i); i.Local && selected.Fits(service) {
			services[i.ID] = service
		}
	}
	return services, nil
}

func (h *Handler) agentService(i *catalog.Instance) *consulwire.AgentService {
	meta := i.Meta
	if meta == nil {
		meta = map[string]string{}
	}
	service := &consulwire.AgentService{
		Kind: i.Kind, ID: i.ID, Service: i.Service, Tags: i.Tags, Meta: meta, Port: i.Port, Address: i.Address,
		SocketPath: i.SocketPath, TaggedAddresses: i.TaggedAddresses, Weights: i.Weights,
		EnableTagOverride: i.EnableTagOverride, Datacenter: h.cfg.Datacenter,
	}
	if i.Kind == consulwire.KindConnectProxy || consulwire.IsGateway(i.Kind) {
		service.Proxy = i.Proxy.Local()
	}
	if i.Connect.Native {
		service.Connect = &consulwire.Connect{Native: true}
	}
	return service
}
