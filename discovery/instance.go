package discovery

import (
	"maps"
	"net"
	"slices"
	"strconv"
)

// Status is the health of a check or of an instance. Its text is Consul's.
type Status string

// The statuses that a check can have, from best to worst.
const (
	Passing     Status = "passing"
	Warning     Status = "warning"
	Critical    Status = "critical"
	Maintenance Status = "maintenance"
)

// Worse reports whether s is a worse state than other. An unknown status is worse than any known one,
// so that what a newer registry invents is never mistaken for health.
func (s Status) Worse(other Status) bool { return s.rank() > other.rank() }

func (s Status) rank() int {
	if i := slices.Index([]Status{Passing, Warning, Critical, Maintenance}, s); i >= 0 {
		return i
	}
	return 4
}

// Check is what a registry knows of one aspect of an instance's health. Checks of the node that an
// instance runs on count as the instance's own.
type Check struct {
	ID     string
	Name   string
	Status Status
	Output string // what the check printed last, for people; may be empty, may be cut
}

// Instance is one running copy of a service. A value that a registry has handed out is shared: its
// slices and maps must not be changed.
type Instance struct {
	ID      string // unique on its node; a new process may take over the ID of an older one
	Service string // the name by which callers find it
	Address string // an IP address (IPv6 without brackets) or a host name that callers can reach
	Port    int    // 1 to 65535

	Tags []string          // as written, never packed: other programs read them
	Meta map[string]string // as written, never packed: other programs read it

	Weight int // share of traffic relative to the others; 1 when the registry does not say

	// Node and Datacenter say where the instance runs; the registry fills them in.
	Node       string
	Datacenter string
	// Distance is 0 in the registry's own datacenter and rises with each datacenter farther away in the
	// order that the registry was configured with. Callers use the nearest that has a usable instance.
	Distance int

	Checks []Check // sorted by ID; an instance without a check is passing
}

// Endpoint returns host:port, with brackets around an IPv6 address.
func (i *Instance) Endpoint() string { return net.JoinHostPort(i.Address, strconv.Itoa(i.Port)) }

// AddressID returns the ID of an instance that is known by nothing but its address: service-host-port. A process that comes
// back on the same address has the same.
func AddressID(service, address string, port int) string {
	return service + "-" + address + "-" + strconv.Itoa(port)
}

// Status returns the worst status of the instance's checks, [Passing] when it has none.
func (i *Instance) Status() Status {
	worst := Passing
	for _, c := range i.Checks {
		if c.Status.Worse(worst) {
			worst = c.Status
		}
	}
	return worst
}

// Usable reports whether calls may be sent to the instance: only while every check is passing.
func (i *Instance) Usable() bool { return i.Status() == Passing }

// Equal reports whether a and b are the same to everyone who reads them, check outputs included.
func (i *Instance) Equal(other *Instance) bool {
	return i.ID == other.ID && i.Service == other.Service && i.Address == other.Address && i.Port == other.Port &&
		i.Weight == other.Weight && i.Node == other.Node && i.Datacenter == other.Datacenter && i.Distance == other.Distance &&
		slices.Equal(i.Tags, other.Tags) && maps.Equal(i.Meta, other.Meta) && slices.Equal(i.Checks, other.Checks)
}
