package containers

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/engine"
)

// The variables of a Panda service that matter to copies of its container.
const (
	addressVariable   = "PANDA_ADDR"
	advertiseVariable = "PANDA_ADVERTISE"
	instanceVariable  = "PANDA_INSTANCE"
	registerVariable  = "PANDA_REGISTER"
	weightVariable    = "PANDA_WEIGHT"
)

// registration returns what the container has registered, nil when it has nothing: the instance of its own ID, if it has
// one, else the one at one of its addresses. Without a network of its own only the ID tells.
func registration(c *engine.Container, instances []discovery.Instance) *discovery.Instance {
	if id := c.Env[instanceVariable]; id != "" {
		if at := slices.IndexFunc(instances, func(in discovery.Instance) bool { return in.ID == id }); at >= 0 {
			return &instances[at]
		}
	}
	addresses := c.Addresses()
	for i := range instances {
		address, err := netip.ParseAddr(instances[i].Address)
		if err == nil && slices.Contains(addresses, address.Unmap()) {
			return &instances[i]
		}
	}
	return nil
}

// expected returns where a container listens as far as its variables tell, "" when they do not.
func expected(c *engine.Container) string {
	port, address := portOf(c.Env[addressVariable]), c.Address()
	if port == 0 || !address.IsValid() {
		return ""
	}
	return netip.AddrPortFrom(address, port).String()
}

// portOf returns the port of a listening address such as ":8080", 0 when it has none.
func portOf(address string) uint16 {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}

var numberedName = regexp.MustCompile(`^(.*[^-_0-9])([-_])([0-9]{1,6})$`)

// numbered splits the name of a container, as Compose gives them, into what comes before its number and the number: "shop-rpc-",
// 2. A name without a number is the first of its kind.
func numbered(name string) (prefix string, number int) {
	parts := numberedName.FindStringSubmatch(name)
	if parts == nil {
		return name + "-", 1
	}
	number, _ = strconv.Atoi(parts[3]) // at most six digits
	return parts[1] + parts[2], number
}
