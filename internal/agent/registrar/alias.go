package registrar

import (
	"cmp"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/check"
	"github.com/pandakit/panda/internal/consulwire"
)

// follow tells the monitor what an alias check looks at. On the agent's own node, when none is named, that is what was
// registered here; on a named one it is all that the catalog knows. The check does not follow itself: it would stay as it
// is for good.
func (r *Registrar) follow(id string, d check.Definition) check.Followed {
	view := r.cfg.Catalog.View()
	node := cmp.Or(d.AliasNode, r.cfg.Node)
	instance := view.Instance(node, d.AliasService)
	followed := check.Followed{Changed: changes(view, node, d.AliasService, instance)}
	followed.Exists = instance != nil && (d.AliasNode != "" || instance.Local)
	for _, c := range view.NodeChecks(node) {
		if itself := c.Local && c.CheckID == id; !itself && (d.AliasNode != "" || c.Local) {
			followed.Checks = append(followed.Checks, &c.HealthCheck)
		}
	}
	return followed
}

// changes returns what closes when an alias check must look again.
func changes(view catalog.View, node, service string, instance *catalog.Instance) <-chan struct{} {
	switch {
	case service == "":
		return view.Mark(catalog.Checks).Changed
	case instance == nil:
		return view.Mark(catalog.Node(node)).Changed
	}
	return view.Mark(catalog.Service(instance.Service)).Changed // of its node's checks, too
}

// Resume runs the checks of what the catalog held before: each has the status and output that it had, and a TTL check
// has a new TTL. It is called once, before anything is registered. A check that may not be run any more is critical.
func (r *Registrar) Resume() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, row := range r.cfg.Catalog.View().NodeChecks(r.cfg.Node) {
		if !row.Local || row.Registration == nil {
			continue
		}
		definition, err := check.FromRegistration(row.Registration)
		if err == nil {
			err = r.mayRun(row, definition)
		}
		if err == nil {
			r.monitor.Start(row.CheckID, definition, check.Result{Status: row.Status, Output: row.Output})
			continue
		}
		r.cfg.Logger.Error("check is not run again", "check", row.CheckID, "error", err)
		if err := r.cfg.Catalog.Write(func(w *catalog.Writer) error {
			w.SetStatus(r.cfg.Node, row.CheckID, consulwire.Critical, err.Error())
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (r *Registrar) mayRun(row *catalog.Check, definition check.Definition) error {
	checks := []*definedCheck{{row: *row, definition: definition}}
	if row.FromFile {
		return scriptsAllowed(checks, r.localScripts(), noLocalScripts)
	}
	return scriptsAllowed(checks, r.cfg.RemoteScripts, noRemoteScripts)
}

func (r *Registrar) localScripts() bool { return r.cfg.LocalScripts || r.cfg.RemoteScripts }
