// Package registrar is what programs do with their local agent: register services and checks, renew
// them, put them under maintenance and remove them. It holds the catalog and the running checks in step.
//
// It speaks no protocol and opens no socket of its own: requests arrive as values, and probes are the
// check package's.
package registrar

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/check"
	"github.com/pandakit/panda/internal/consulwire"
)

// OwnService is the name and ID of the service that stands for the agent itself.
const OwnService = "consul"

// Config says what a Registrar works on.
type Config struct {
	Catalog *catalog.Catalog
	Node    string // the agent's own node, which the catalog has already
	Logger  *slog.Logger
	Limits  check.Limits

	// RemoteScripts and LocalScripts allow programs to be run as checks, when a request asks for it and when a file does.
	RemoteScripts bool
	LocalScripts  bool
}

// What one agent holds at the most, so that no program can make it run out of memory.
const (
	mostServices = 1 << 15
	mostChecks   = 1 << 15
)

// Registrar changes what is registered with one agent. Its methods may be called from several
// goroutines at once.
type Registrar struct {
	cfg     Config
	monitor *check.Monitor

	// mu makes a change of the catalog and that of the running checks one step. The result of a probe
	// does not need it.
	mu sync.Mutex
}

// New returns a Registrar. Close ends the checks that it runs.
func New(cfg Config) *Registrar {
	r := &Registrar{cfg: cfg}
	r.monitor = check.NewMonitor(check.Config{
		Report: r.report, Overdue: r.overdue, Follow: r.follow, Logger: cfg.Logger, Limits: cfg.Limits,
	})
	return r
}

// Close ends all checks and waits for them. What is registered stays in the catalog.
func (r *Registrar) Close() { r.monitor.Close() }

// Register adds the service with its checks and the proxy that it asks for, or replaces those of its ID. A check that exists already
// keeps its status and output. Other checks of the service stay, unless replaceChecks is set; a
// maintenance mode stays in any case. The error is an *[InvalidError], or says what only this agent refuses.
func (r *Registrar) Register(registration *consulwire.ServiceRegistration, replaceChecks bool) error {
	own, err := r.unit(registration)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	proxy, err := r.sidecar(own.instance, registration, r.localInstances())
	if err != nil {
		return err
	}
	units := append([]*unit{own}, proxy...)
	if err := r.admitAll(units); err != nil {
		return err
	}
	return r.put(units, replaceChecks)
}

// admitAll refuses units that this agent does not take, or has no room for.
func (r *Registrar) admitAll(units []*unit) error {
	var fresh int
	var checks []*definedCheck
	for _, u := range units {
		if err := r.admit(u.instance, u.checks, r.cfg.RemoteScripts); err != nil {
			return err
		}
		if r.local(u.instance.ID) == nil {
			fresh++
		}
		checks = append(checks, u.checks...)
	}
	if fresh > 0 && len(r.cfg.Catalog.View().NodeInstances(r.cfg.Node))+fresh > mostServices {
		return invalid("This agent holds no more than %d services", mostServices)
	}
	return r.room(checks)
}

// put writes the units, all or none, and runs their checks.
func (r *Registrar) put(units []*unit, replaceChecks bool) error {
	var dropped []string
	err := r.cfg.Catalog.Write(func(w *catalog.Writer) error {
		for _, u := range units {
			if err := w.SetInstance(u.instance); err != nil {
				return err
			}
			if replaceChecks {
				dropped = append(dropped, dropOthers(w, u.instance, u.checks)...)
			}
			if err := setAll(w, u.checks); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range dropped {
		r.monitor.Stop(id)
	}
	for _, u := range units {
		r.run(u.checks)
	}
	return nil
}

// dropOthers deletes the instance's checks that are not among checks, and returns their IDs.
func dropOthers(w *catalog.Writer, instance *catalog.Instance, checks []*definedCheck) (dropped []string) {
	keep := map[string]bool{consulwire.ServiceMaintenancePrefix + instance.ID: true}
	for _, c := range checks {
		keep[c.row.CheckID] = true
	}
	for _, c := range w.InstanceChecks(instance.Node, instance.ID) {
		if !keep[c.CheckID] {
			w.DeleteCheck(c.Node, c.CheckID)
			dropped = append(dropped, c.CheckID)
		}
	}
	return dropped
}

// setAll writes the checks, with the status and output that those known already have.
func setAll(w *catalog.Writer, checks []*definedCheck) error {
	for _, c := range checks {
		if before := w.Check(c.row.Node, c.row.CheckID); before != nil {
			c.row.Status, c.row.Output = before.Status, before.Output
		}
		if err := w.SetCheck(&c.row); err != nil {
			return err
		}
	}
	return nil
}

// room refuses more checks than the agent may hold. Those that only replace others count too.
func (r *Registrar) room(checks []*definedCheck) error {
	if len(checks) > 0 && r.monitor.Len()+len(checks) > mostChecks {
		return invalid("This agent runs no more than %d checks", mostChecks)
	}
	return nil
}

func (r *Registrar) stop(checks []*definedCheck) {
	for _, c := range checks {
		r.monitor.Stop(c.row.CheckID)
	}
}

// run runs checks that the catalog has, in place of those with their IDs. These ran until now, so that they go on when
// the catalog refuses the change: each check begins with the last result that the catalog was told.
func (r *Registrar) run(checks []*definedCheck) {
	r.stop(checks)
	view := r.cfg.Catalog.View()
	for _, c := range checks {
		if row := view.Check(r.cfg.Node, c.row.CheckID); row != nil {
			r.monitor.Start(row.CheckID, c.definition, check.Result{Status: row.Status, Output: row.Output})
		}
	}
}

// Deregister removes the service with its checks and the proxy that was registered with it. The error is an *[UnknownServiceError].
func (r *Registrar) Deregister(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.deregister(id)
}

func (r *Registrar) deregister(id string) error {
	if r.local(id) == nil {
		return &UnknownServiceError{id}
	}
	ids := []string{id}
	if proxy := r.local(id + sidecarSuffix); proxy != nil && proxy.Sidecar {
		ids = append(ids, proxy.ID)
	}
	var checks []*catalog.Check
	for _, id := range ids {
		checks = append(checks, r.cfg.Catalog.View().InstanceChecks(r.cfg.Node, id)...)
	}
	if err := r.cfg.Catalog.Write(func(w *catalog.Writer) error {
		for _, id := range ids {
			w.DeleteInstance(r.cfg.Node, id)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, c := range checks {
		r.monitor.Stop(c.CheckID)
	}
	return nil
}

// local returns the instance when it was registered here, or nil.
func (r *Registrar) local(id string) *catalog.Instance {
	if i := r.cfg.Catalog.View().Instance(r.cfg.Node, id); i != nil && i.Local {
		return i
	}
	return nil
}

func (r *Registrar) localCheck(id string) *catalog.Check {
	if c := r.cfg.Catalog.View().Check(r.cfg.Node, id); c != nil && c.Local {
		return c
	}
	return nil
}

// RegisterCheck adds a check of the node, or of one service when ServiceID is set. The error is an
// *[InvalidError] or an *[UnknownServiceError].
func (r *Registrar) RegisterCheck(registration *consulwire.CheckRegistration) error {
	c, err := r.loneCheck(registration)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.row.ServiceID != "" && r.local(c.row.ServiceID) == nil {
		return &UnknownServiceError{c.row.ServiceID}
	}
	checks := []*definedCheck{c}
	if err := errors.Join(scriptsAllowed(checks, r.cfg.RemoteScripts, noRemoteScripts), r.room(checks)); err != nil {
		return err
	}
	if err := r.cfg.Catalog.Write(func(w *catalog.Writer) error { return setAll(w, checks) }); err != nil {
		return err
	}
	r.run(checks)
	return nil
}

// DeregisterCheck removes a check. The error is an *[UnknownCheckError].
func (r *Registrar) DeregisterCheck(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.localCheck(id) == nil {
		return &UnknownCheckError{id}
	}
	return r.deleteCheck(id)
}

func (r *Registrar) deleteCheck(id string) error {
	err := r.cfg.Catalog.Write(func(w *catalog.Writer) error {
		w.DeleteCheck(r.cfg.Node, id)
		return nil
	})
	if err != nil {
		return err
	}
	r.monitor.Stop(id)
	return nil
}

// Renew takes a sign of life for a TTL check. The error is an *[UnknownCheckError], or wraps
// check.ErrNotTTL, or is the catalog's: then nothing has changed.
func (r *Registrar) Renew(id, status, output string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.localCheck(id) == nil {
		return &UnknownCheckError{id}
	}
	if err := r.monitor.Renew(id, check.Result{Status: status, Output: output}); err != nil {
		return fmt.Errorf("set status of check %q: %w", id, err)
	}
	return nil
}

// report is told by the monitor what a check has found.
func (r *Registrar) report(id string, result check.Result) error {
	return r.cfg.Catalog.Write(func(w *catalog.Writer) error {
		w.SetStatus(r.cfg.Node, id, result.Status, result.Output)
		return nil
	})
}

// overdue is told by the monitor that a check has been critical for too long.
func (r *Registrar) overdue(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.localCheck(id)
	if c == nil || c.ServiceID == "" || !r.monitor.Overdue(id) {
		return nil // renewed, replaced or removed in the meantime
	}
	if err := r.deregister(c.ServiceID); err != nil {
		r.cfg.Logger.Error("service not removed, though a check was critical for too long", "service", c.ServiceID, "check", id, "error", err)
		return err
	}
	r.cfg.Logger.Warn("service removed: a check was critical for too long", "service", c.ServiceID, "check", id)
	return nil
}
