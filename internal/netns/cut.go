package netns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// nobody is a hardware address that no interface has: a permanent neighbour entry with it sends packets into the void.
const nobody = "02:de:ad:de:ad:00"

// Cut drops all packets between two hosts, both ways and silently: connections hang, as on a cable that was pulled. It holds
// until [Lab.Heal], whoever calls that. Cutting twice is the same as once.
func (l *Lab) Cut(a, b string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, err := l.known(a)
	if err != nil {
		return err
	}
	other, err := l.known(b)
	if err != nil {
		return err
	}
	if one == other {
		return fmt.Errorf("network %s: host %s cannot be cut off from itself", l.name, a)
	}
	ctx := context.Background()
	if err := l.setNeighbour(ctx, a, l.hosts[other].address); err != nil {
		return err
	}
	if err := l.setNeighbour(ctx, b, l.hosts[one].address); err != nil {
		return errors.Join(err, l.dropNeighbour(ctx, a, l.hosts[other].address))
	}
	return nil
}

func (l *Lab) setNeighbour(ctx context.Context, host string, to netip.Addr) error {
	_, err := ip(ctx, "-n", l.space(host), "neigh", "replace", to.String(), "lladdr", nobody, "dev", "eth0", "nud", "permanent")
	return err
}

func (l *Lab) dropNeighbour(ctx context.Context, host string, to netip.Addr) error {
	_, err := ip(ctx, "-n", l.space(host), "neigh", "del", to.String(), "dev", "eth0")
	return err
}

// Cuts returns the pairs of hosts that are cut off from each other, in the order of Hosts.
func (l *Lab) Cuts() ([][2]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var pairs [][2]string
	for _, h := range l.hosts {
		lost, err := l.lost(context.Background(), h.name)
		if err != nil {
			return nil, err
		}
		for _, other := range l.hosts { // each pair is seen from both, and told by the first
			if h.address.Less(other.address) && slices.Contains(lost, other.address) {
				pairs = append(pairs, [2]string{h.name, other.name})
			}
		}
	}
	return pairs, nil
}

// lost returns the addresses that a host is cut off from.
func (l *Lab) lost(ctx context.Context, host string) ([]netip.Addr, error) {
	var neighbours []struct {
		To      netip.Addr `json:"dst"`
		Address string     `json:"lladdr"`
	}
	if err := ipJSON(ctx, &neighbours, "-n", l.space(host), "-json", "neigh", "show", "dev", "eth0", "nud", "permanent"); err != nil {
		return nil, err
	}
	var lost []netip.Addr
	for _, n := range neighbours {
		if strings.EqualFold(n.Address, nobody) {
			lost = append(lost, n.To)
		}
	}
	return lost, nil
}

// Heal undoes every Cut. A lab without one stays as it is.
func (l *Lab) Heal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx := context.Background()
	var all error
	for _, h := range l.hosts {
		lost, err := l.lost(ctx, h.name)
		all = errors.Join(all, err)
		for _, to := range lost {
			all = errors.Join(all, l.dropNeighbour(ctx, h.name, to))
		}
	}
	return all
}
