package loadbalance

import (
	"cmp"
	"slices"

	"google.golang.org/grpc/resolver"

	"github.com/pandakit/panda/discovery"
)

type (
	instancesKey    struct{}
	availabilityKey struct{}
)

// instanceList makes a slice of instances a value that attributes can compare.
type instanceList struct{ instances []discovery.Instance }

// Equal reports whether o is a list that the policy would treat alike.
func (l *instanceList) Equal(o any) bool {
	other, ok := o.(*instanceList)
	return ok && sameInstances(l.instances, other.instances)
}

// WithInstances returns s with the instances to balance over, which must all be usable. a is told what becomes of
// their connections; it may be nil. Endpoints and Addresses are filled in as well, so that another policy can be
// used in place of this one. The slice must not be changed afterwards.
func WithInstances(s resolver.State, instances []discovery.Instance, a *Availability) resolver.State {
	s.Attributes = s.Attributes.WithValue(instancesKey{}, &instanceList{instances})
	if a != nil {
		s.Attributes = s.Attributes.WithValue(availabilityKey{}, a)
	}
	s.Addresses = make([]resolver.Address, len(instances))
	s.Endpoints = make([]resolver.Endpoint, len(instances))
	for i := range instances {
		s.Addresses[i].Addr = instances[i].Endpoint()
		s.Endpoints[i].Addresses = s.Addresses[i : i+1 : i+1]
	}
	return s
}

// instancesOf returns the instances of a resolver's state. One made by another resolver has an
// instance per endpoint.
func instancesOf(s resolver.State) ([]discovery.Instance, *Availability) {
	a, _ := s.Attributes.Value(availabilityKey{}).(*Availability)
	if list, ok := s.Attributes.Value(instancesKey{}).(*instanceList); ok {
		return list.instances, a
	}
	var instances []discovery.Instance
	for _, endpoint := range s.Endpoints {
		if len(endpoint.Addresses) > 0 {
			instances = append(instances, discovery.Instance{ID: endpoint.Addresses[0].Addr, Weight: 1})
		}
	}
	return instances, a
}

// address returns what to connect to. An instance that came without a port is its ID.
func address(i *discovery.Instance) string {
	if i.Port == 0 {
		return i.ID
	}
	return i.Endpoint()
}

// sameInstances reports whether both lists are the same to a balancer, in the same order.
func sameInstances(a, b []discovery.Instance) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) == 0 || &a[0] == &b[0] {
		return true
	}
	return slices.EqualFunc(a, b, func(x, y discovery.Instance) bool {
		return x.ID == y.ID && x.Address == y.Address && x.Port == y.Port && x.Weight == y.Weight && x.Distance == y.Distance
	})
}

// subset returns the instances to connect to: of each distance that has more than above of them only size,
// those with the highest hash together with the seed. So the choice of one client hardly changes when
// instances come and go, and other clients choose others.
func subset(instances []discovery.Instance, size, above int, seed uint64) []discovery.Instance {
	if len(instances) <= above {
		return instances
	}
	byDistance := make(map[int][]scored)
	for i := range instances {
		d := instances[i].Distance
		byDistance[d] = append(byDistance[d], scored{&instances[i], score(&instances[i], seed)})
	}
	var chosen []discovery.Instance
	for _, tier := range byDistance {
		if len(tier) > above {
			slices.SortFunc(tier, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
			tier = tier[:size]
		}
		for _, s := range tier {
			chosen = append(chosen, *s.instance)
		}
	}
	return chosen
}

type scored struct {
	instance *discovery.Instance
	score    uint64
}

// score is FNV-1a over the instance's identity, and a finalizer so that near names end far apart.
func score(i *discovery.Instance, seed uint64) uint64 {
	const prime = 1099511628211
	hash := seed ^ 14695981039346656037
	for _, text := range [...]string{i.ID, i.Address} {
		for k := range len(text) {
			hash = (hash ^ uint64(text[k])) * prime
		}
		hash = (hash ^ 0xff) * prime
	}
	hash = (hash ^ uint64(i.Port)) * prime //nolint:gosec // only mixed in
	hash = (hash ^ hash>>30) * 0xbf58476d1ce4e5b9
	hash = (hash ^ hash>>27) * 0x94d049bb133111eb
	return hash ^ hash>>31
}
