package registrar

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// Load makes what files ask for be registered, and takes away what they asked for before and do no longer. Of two with
// one ID the later counts. What was registered by requests stays, but for what has the ID of one in a file. What is as
// it was goes on undisturbed. On an error nothing has changed; it names the service or the check.
func (r *Registrar) Load(services []*consulwire.ServiceRegistration, lone []*consulwire.CheckRegistration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &load{instances: map[string]*catalog.Instance{}, checks: map[string]*definedCheck{}}
	for _, s := range services {
		if err := r.loadService(l, s); err != nil {
			return fmt.Errorf("register service %q of a file: %w", s.Name, err)
		}
	}
	for _, c := range lone {
		if err := r.loadCheck(l, c); err != nil {
			return fmt.Errorf("register check %q of a file: %w", c.Name, err)
		}
	}
	if len(l.instances) > mostServices || len(l.checks) > mostChecks {
		return fmt.Errorf("this agent holds no more than %d services and %d checks", mostServices, mostChecks)
	}
	return r.exchange(l)
}

// load is what files ask for.
type load struct {
	instances map[string]*catalog.Instance
	order     []string // of the instances' IDs
	checks    map[string]*definedCheck
}

func (r *Registrar) loadService(l *load, s *consulwire.ServiceRegistration) error {
	own, err := r.unit(s)
	if err != nil {
		return err
	}
	if err := r.loadUnit(l, own); err != nil {
		return err
	}
	taken := slices.Concat(slices.Collect(maps.Values(l.instances)), r.localInstances())
	proxy, err := r.sidecar(own.instance, s, taken)
	if err != nil {
		return err
	}
	for _, u := range proxy {
		if err := r.loadUnit(l, u); err != nil {
			return err
		}
	}
	return nil
}

func (r *Registrar) loadUnit(l *load, u *unit) error {
	instance := u.instance
	if err := r.admit(instance, nil, true); err != nil {
		return err
	}
	if err := scriptsAllowed(u.checks, r.localScripts(), noLocalScripts); err != nil {
		return err
	}
	instance.FromFile = true
	if l.instances[instance.ID] == nil {
		l.order = append(l.order, instance.ID)
	} else {
		r.cfg.Logger.Warn("several files define a service: the last counts", "service", instance.ID)
		l.dropChecksOf(instance.ID)
	}
	l.instances[instance.ID] = instance
	for _, c := range u.checks {
		l.add(c)
	}
	return nil
}

func (l *load) dropChecksOf(id string) {
	for checkID, c := range l.checks {
		if c.row.ServiceID == id {
			delete(l.checks, checkID)
		}
	}
}

func (l *load) add(c *definedCheck) {
	c.row.FromFile = true
	l.checks[c.row.CheckID] = c
}

func (r *Registrar) loadCheck(l *load, registration *consulwire.CheckRegistration) error {
	c, err := r.loneCheck(registration)
	if err != nil {
		return err
	}
	if err := scriptsAllowed([]*definedCheck{c}, r.localScripts(), noLocalScripts); err != nil {
		return err
	}
	if id := c.row.ServiceID; id != "" && l.instances[id] == nil {
		if registered := r.local(id); registered == nil || registered.FromFile {
			return fmt.Errorf("ServiceID %q does not exist", id)
		}
	}
	l.add(c)
	return nil
}

// exchange puts what was loaded in place of what was loaded before.
func (r *Registrar) exchange(l *load) error {
	before := r.cfg.Catalog.View()
	var fresh []*definedCheck
	for id, c := range l.checks {
		if now := before.Check(r.cfg.Node, id); now == nil || !same(now, &c.row) {
			fresh = append(fresh, c)
		}
	}
	if err := r.cfg.Catalog.Write(func(w *catalog.Writer) error { return r.write(w, l) }); err != nil {
		return err
	}
	r.stop(r.orphans(before))
	r.run(fresh)
	return nil
}

// same reports whether a check is run as another is.
func same(a, b *catalog.Check) bool {
	return a.ServiceID == b.ServiceID && a.Registration != nil && reflect.DeepEqual(a.Registration, b.Registration)
}

func (r *Registrar) write(w *catalog.Writer, l *load) error {
	for _, i := range w.NodeInstances(r.cfg.Node) {
		if i.FromFile && l.instances[i.ID] == nil {
			w.DeleteInstance(i.Node, i.ID)
		}
	}
	for _, c := range w.NodeChecks(r.cfg.Node) {
		if c.FromFile && l.checks[c.CheckID] == nil {
			w.DeleteCheck(c.Node, c.CheckID)
		}
	}
	for _, id := range l.order {
		if err := w.SetInstance(l.instances[id]); err != nil {
			return err
		}
	}
	for _, c := range l.checks {
		if err := setAll(w, []*definedCheck{c}); err != nil {
			return err
		}
	}
	return nil
}

// orphans returns the checks that have gone with their services.
func (r *Registrar) orphans(before catalog.View) []*definedCheck {
	var gone []*definedCheck
	now := r.cfg.Catalog.View()
	for _, c := range before.NodeChecks(r.cfg.Node) {
		if now.Check(c.Node, c.CheckID) == nil {
			gone = append(gone, &definedCheck{row: *c})
		}
	}
	return gone
}
