package catalog

import (
	"iter"
	"maps"
	"reflect"
	"slices"

	"github.com/pandakit/panda/internal/consulwire"
)

// Instance is a running copy of a service. One that a [View] returned is shared and must not be changed.
type Instance struct {
	Node     string
	Local    bool // registered with this agent, and so listed and removable there
	FromFile bool // a definition file asked for it, and so takes it away again
	Sidecar  bool `json:",omitempty"` // registered with the service that it is the proxy of, and so removed with it
	consulwire.NodeService
}

// meshName returns the name of the service that the instance stands for in a mesh, or "".
func (i *Instance) meshName() string {
	switch {
	case i.Kind == consulwire.KindConnectProxy:
		return i.Proxy.DestinationServiceName
	case i.Connect.Native:
		return i.Service
	}
	return ""
}

// Check is a check of an instance, or of a node when ServiceID is empty. One that a [View] returned is
// shared and must not be changed.
type Check struct {
	Local    bool // registered with this agent
	FromFile bool // a definition file asked for it
	// Registration says how a local check is run, so that it can be run again after a restart; nil for what is not run.
	// It must not be changed.
	Registration *consulwire.CheckRegistration `json:",omitempty"`
	consulwire.HealthCheck
}

// normal returns the instance as it is stored: with lists and maps of its own, tags never nil, empty
// maps nil.
func (i *Instance) normal() *Instance {
	own := *i
	own.Tags = append([]string{}, i.Tags...)
	own.Meta = ownMap(i.Meta)
	own.TaggedAddresses = ownMap(i.TaggedAddresses)
	own.Proxy = normalProxy(i.Proxy)
	return &own
}

// normalProxy returns the proxy with lists of its own. What its configurations hold is shared: nobody changes it.
func normalProxy(p consulwire.Proxy) consulwire.Proxy {
	p.Config = ownMap(p.Config)
	p.Upstreams = append([]consulwire.Upstream(nil), p.Upstreams...)
	for n := range p.Upstreams {
		p.Upstreams[n].Config = ownMap(p.Upstreams[n].Config)
	}
	p.Expose.Paths = append([]consulwire.ExposePath(nil), p.Expose.Paths...)
	return p
}

func (c *Check) normal() *Check {
	own := *c
	own.ServiceTags = append([]string{}, c.ServiceTags...)
	return &own
}

func normalNode(n *consulwire.Node) *consulwire.Node {
	own := *n
	own.TaggedAddresses = ownMap(n.TaggedAddresses)
	own.Meta = ownMap(n.Meta)
	return &own
}

func ownMap[V any](m map[string]V) map[string]V {
	if len(m) == 0 {
		return nil
	}
	return maps.Clone(m)
}

// sameInstance, sameCheck and sameNode report whether two normal rows differ in their indexes at most.
func sameInstance(a, b *Instance) bool {
	x := *a
	x.CreateIndex, x.ModifyIndex = b.CreateIndex, b.ModifyIndex
	return reflect.DeepEqual(&x, b)
}

func sameCheck(a, b *Check) bool {
	x := *a
	x.CreateIndex, x.ModifyIndex, x.ServiceTags = b.CreateIndex, b.ModifyIndex, b.ServiceTags
	return reflect.DeepEqual(&x, b) && slices.Equal(a.ServiceTags, b.ServiceTags)
}

func sameNode(a, b *consulwire.Node) bool {
	x := *a
	x.CreateIndex, x.ModifyIndex = b.CreateIndex, b.ModifyIndex
	return reflect.DeepEqual(&x, b)
}

// one returns the first row that an index has for the key, or nil.
func one[T any](v View, table, index string, key ...any) *T {
	row, err := v.txn.First(table, index, key...)
	if err != nil || row == nil {
		return nil
	}
	return row.(*T)
}

// rows yields the rows that an index has for the key, in its order; all of them without a key.
func rows[T any](v View, table, index string, key ...any) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		found, err := v.txn.Get(table, index, key...)
		if err != nil {
			return
		}
		for row := found.Next(); row != nil; row = found.Next() {
			if !yield(row.(*T)) {
				return
			}
		}
	}
}
