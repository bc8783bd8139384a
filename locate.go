package panda

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/backoff"
)

// surveyTimeout bounds how long a service waits for the registry before it listens all the same.
const surveyTimeout = time.Second

// locator finds the address under which others reach a service, and its name among the instances. It belongs to one
// goroutine at a time.
type locator struct {
	registry   discovery.Registry
	configured string // the address to advertise; may be empty
	byDefault  bool   // nobody has said where to listen
	where      surroundings
	listens    netip.AddrPort
	decided    advertised // without a host until it is
	network    network
}

// newLocator asks the registry where callers are, if it has to: a service that is told where to listen and what to
// advertise needs no answer.
func newLocator(ctx context.Context, registry discovery.Registry, address, configured string) *locator {
	l := &locator{registry: registry, configured: configured, byDefault: address == "", network: machine()}
	if !l.byDefault && configured != "" {
		return l
	}
	ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
	defer cancel()
	l.where = survey(ctx, registry)
	return l
}

// find chooses from what is known now. The error is an *undecidedError when the registry has to answer first.
func (l *locator) find(ctx context.Context) (advertised, error) {
	return chooseAdvertised(ctx, l.listens, l.byDefault, l.configured, l.where, l.network)
}

// await asks until the address can be chosen, and tells each time why it cannot. It returns ctx's error once ctx is done.
func (l *locator) await(ctx context.Context, told func(error)) (advertised, error) {
	pause := backoff.Policy{Base: 100 * time.Millisecond, Max: 2 * time.Second, Factor: 2, Jitter: 0.2}
	for attempt := 0; ; attempt++ {
		reached, err := l.find(ctx)
		if ctx.Err() != nil {
			return advertised{}, ctx.Err()
		}
		if _, undecided := errors.AsType[*undecidedError](err); !undecided {
			return reached, err
		}
		told(err)
		timer := time.NewTimer(pause.Delay(attempt))
		select {
		case <-ctx.Done():
			timer.Stop()
			return advertised{}, ctx.Err()
		case <-timer.C:
		}
		if l.where.unknown != nil {
			l.where = survey(ctx, l.registry)
		}
	}
}

// instanceID is the same for every process that comes back in the place of an earlier one, so that it replaces what that has
// left behind: in a container with a name of its own that name and the port, else the address and the port.
func instanceID(service string, reached advertised, hostname string) string {
	host := reached.host
	if hostname != "" && !isLoopback(host) {
		host = hostname
	}
	return discovery.AddressID(service, host, reached.port)
}

// containerName returns the host name that a person, or an orchestrator, has given to the container that the process runs
// in. It is empty outside of containers, where the name is that of a machine of many addresses, and for the random ID
// that engines make a name of, which the next container will not have.
func containerName(getenv func(string) string) string {
	if getenv("KUBERNETES_SERVICE_HOST") == "" && !exists("/.dockerenv") && !exists("/run/.containerenv") {
		return ""
	}
	name, err := os.Hostname()
	if err != nil || isContainerID(name) {
		return ""
	}
	return name
}

// isContainerID tells the first twelve digits of a container's ID, which engines use as its host name.
func isContainerID(name string) bool {
	return len(name) == 12 && strings.Trim(name, "0123456789abcdef") == ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
