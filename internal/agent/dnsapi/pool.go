package dnsapi

import (
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// entry is an instance that may be told of.
type entry struct {
	*catalog.Instance
	node   *consulwire.Node
	weight uint16
}

// hasTag reports whether the instance has the tag, in any case. All have the empty one.
func (e *entry) hasTag(tag string) bool {
	return tag == "" || slices.ContainsFunc(e.Tags, func(t string) bool { return strings.EqualFold(t, tag) })
}

// maxPools bounds the services that are remembered.
const maxPools = 4096

// pools remembers for each service the instances that may be told of, until the service changes: a query
// costs what its answer has, not what the service has.
type pools struct {
	onlyPassing bool

	mu        sync.RWMutex
	byService map[poolKey]*pool
}

// poolKey is what is asked for: a service, or what stands for it in a mesh.
type poolKey struct {
	service string // in lower case
	mesh    bool
}

func (k poolKey) topic() catalog.Topic {
	if k.mesh {
		return catalog.Mesh(k.service)
	}
	return catalog.Service(k.service)
}

func (k poolKey) instances(view catalog.View) []*catalog.Instance {
	if k.mesh {
		return view.MeshInstances(k.service)
	}
	return view.Instances(k.service)
}

// checks returns the checks of the instances, without those of their nodes.
func (k poolKey) checks(view catalog.View, instances []*catalog.Instance) []*catalog.Check {
	if !k.mesh {
		return view.ServiceChecks(k.service)
	}
	var checks []*catalog.Check
	for _, i := range instances {
		checks = append(checks, view.InstanceChecks(i.Node, i.ID)...)
	}
	return checks
}

type pool struct {
	index   uint64 // of the service when this was found
	entries []*entry
}

func newPools(onlyPassing bool) *pools {
	return &pools{onlyPassing: onlyPassing, byService: map[poolKey]*pool{}}
}

// of returns the instances that are asked for. The slice must not be changed.
func (p *pools) of(view catalog.View, key poolKey) []*entry {
	index := view.Mark(key.topic()).Index
	p.mu.RLock()
	known := p.byService[key]
	p.mu.RUnlock()
	if known != nil && known.index == index {
		return known.entries
	}
	entries, exists := p.find(view, key)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch known = p.byService[key]; {
	case known != nil && known.index > index: // this view is an old one
	case !exists:
		delete(p.byService, key)
	default:
		if len(p.byService) >= maxPools {
			clear(p.byService)
		}
		p.byService[key] = &pool{index, entries}
	}
	return entries
}

// find reads the catalog, and reports also whether the service has any instance.
func (p *pools) find(view catalog.View, asked poolKey) (entries []*entry, exists bool) {
	instances := asked.instances(view)
	if len(instances) == 0 {
		return nil, false
	}
	type key struct{ node, id string }
	checks := map[key]health{}
	for _, c := range asked.checks(view, instances) {
		k := key{strings.ToLower(c.Node), c.ServiceID}
		checks[k] = checks[k].with(c)
	}
	nodes := map[string]*nodeHealth{}
	for _, i := range instances {
		name := strings.ToLower(i.Node)
		if nodes[name] == nil {
			nodes[name] = newNodeHealth(view, i.Node)
		}
		h := checks[key{name, i.ID}].and(nodes[name].health)
		if !h.critical && (!p.onlyPassing || !h.imperfect) {
			entries = append(entries, &entry{Instance: i, node: nodes[name].node, weight: h.weight(i.Weights)})
		}
	}
	return entries, true
}

// health is what an instance's checks say together. The zero value is that of an instance without checks.
type health struct{ critical, warning, unknown, imperfect bool }

func (h health) with(c *catalog.Check) health {
	h.imperfect = h.imperfect || c.Status != consulwire.Passing
	switch c.Status {
	case consulwire.Critical:
		h.critical = true
	case consulwire.Warning:
		h.warning = true
	case consulwire.Passing:
	default:
		h.unknown = true
	}
	return h
}

func (h health) and(other health) health {
	return health{
		h.critical || other.critical, h.warning || other.warning,
		h.unknown || other.unknown, h.imperfect || other.imperfect,
	}
}

// weight returns the share of traffic of an instance that is not critical.
func (h health) weight(w consulwire.Weights) uint16 {
	switch {
	case h.unknown:
		return 1
	case h.warning:
		return uint16(w.Warning) //nolint:gosec // wraps around, as Consul's
	default:
		return uint16(w.Passing) //nolint:gosec // the same
	}
}

type nodeHealth struct {
	node *consulwire.Node
	health
}

func newNodeHealth(view catalog.View, name string) *nodeHealth {
	n := &nodeHealth{node: view.Node(name)}
	for _, c := range view.OwnChecks(name) {
		n.health = n.with(c)
	}
	return n
}

// fewTaken is how many entries are drawn one by one; for whoever takes more the rest is copied.
const fewTaken = 128

// shuffled yields the entries in random order. It costs little more than what is taken of it.
func shuffled(entries []*entry) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		// A shuffle by Fisher and Yates, of which only the exchanges are kept.
		moved := map[int]*entry{}
		at := func(i int) *entry {
			if e, ok := moved[i]; ok {
				return e
			}
			return entries[i]
		}
		first := 0
		for ; first < min(len(entries), fewTaken); first++ {
			chosen := first + rand.IntN(len(entries)-first) //nolint:gosec // spreads load; nothing secret depends on it
			e := at(chosen)
			moved[chosen] = at(first)
			if !yield(e) {
				return
			}
		}
		rest := make([]*entry, 0, len(entries)-first)
		for i := first; i < len(entries); i++ {
			rest = append(rest, at(i))
		}
		for len(rest) > 0 {
			chosen := rand.IntN(len(rest)) //nolint:gosec // the same
			e := rest[chosen]
			rest[chosen] = rest[0]
			rest = rest[1:]
			if !yield(e) {
				return
			}
		}
	}
}
