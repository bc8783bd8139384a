// Package netns makes hosts of one Linux machine: network namespaces that are wired to one switch, with links that can be
// cut, healed, slowed down and made to lose packets. It is made by iproute2's command "ip", and needs root.
//
// It never starts or ends a process by itself, never forwards traffic to other networks, and touches no namespace,
// interface or firewall rule that is not a lab's own. On other systems every call returns an error that says so.
package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// closeTimeout bounds the removal of a lab.
const closeTimeout = 30 * time.Second

// Where addresses stand in a lab's subnet, which has at least 256 of them.
const (
	gatewayNumber   = 1
	firstHostNumber = 11
	maxHosts        = 200
	maxPrefixBits   = 24
)

var (
	labNames  = regexp.MustCompile(`^[a-z][a-z0-9]{0,8}$`)
	hostNames = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)
)

// Lab is a network of hosts. The switch is a bridge in a namespace of its own, called as the lab is, so that the machine's
// firewall, a container engine's for example, has no say between hosts. The machine has an interface called as the lab is,
// by which it reaches all hosts and they reach it. Methods may be called from several goroutines.
type Lab struct {
	name    string
	gateway netip.Addr
	hosts   []host // in the order of their addresses

	mu     sync.Mutex        // held while links are changed
	relays map[string]*relay // by host
}

type host struct {
	name    string
	address netip.Addr
}

// Supported returns nil, or why there can be no labs here: another system than Linux, a user that is not root, no iproute2.
func Supported() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("network namespaces are Linux's, and this is %s", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root")
	}
	_, err := ipPath()
	return err
}

// New makes a lab: hosts with the addresses .11, .12 and so on of the subnet, the machine with .1. The name has at most 9
// lower-case letters and digits; the subnet is one of IPv4, /24 or larger, and none that an interface of the machine is in.
// A failure leaves nothing behind. The error is [fs.ErrExist] when there is a lab of this name.
func New(ctx context.Context, name string, subnet netip.Prefix, hosts ...string) (*Lab, error) {
	if err := Supported(); err != nil {
		return nil, err
	}
	lab, err := plan(name, subnet, hosts)
	if err != nil {
		return nil, err
	}
	if err := unused(subnet); err != nil {
		return nil, err
	}
	if err := free(ctx, name); err != nil {
		return nil, err
	}
	if _, err := ip(ctx, "netns", "add", name); err != nil { // whoever makes this one makes the lab
		return nil, fmt.Errorf("make network %s: %w", name, err)
	}
	if err := lab.wire(ctx, subnet.Bits()); err != nil {
		return nil, errors.Join(err, lab.Close())
	}
	return lab, nil
}

func plan(name string, subnet netip.Prefix, hosts []string) (*Lab, error) {
	if !labNames.MatchString(name) {
		return nil, fmt.Errorf("make network %q: a name has 1 to 9 lower-case letters and digits and begins with a letter", name)
	}
	if !subnet.IsValid() || !subnet.Addr().Is4() || subnet.Bits() > maxPrefixBits {
		return nil, fmt.Errorf("make network %s: subnet %v is none of IPv4 with 256 addresses or more", name, subnet)
	}
	if len(hosts) == 0 || len(hosts) > maxHosts {
		return nil, fmt.Errorf("make network %s: %d hosts; it takes 1 to %d", name, len(hosts), maxHosts)
	}
	lab := &Lab{name: name, relays: map[string]*relay{}, gateway: numbered(subnet, gatewayNumber)}
	for i, h := range hosts {
		if !hostNames.MatchString(h) {
			return nil, fmt.Errorf("make network %s: host %q: a name has 1 to 32 lower-case letters, digits and dashes", name, h)
		}
		if slices.Contains(hosts[:i], h) {
			return nil, fmt.Errorf("make network %s: host %q is there twice", name, h)
		}
		lab.hosts = append(lab.hosts, host{h, numbered(subnet, firstHostNumber+i)})
	}
	return lab, nil
}

func numbered(subnet netip.Prefix, number int) netip.Addr {
	bytes := subnet.Masked().Addr().As4()
	bytes[3] += byte(number) //nolint:gosec // at most 211, and the last byte of the network is 0
	return netip.AddrFrom4(bytes)
}

// unused returns an error when the machine has an interface in the subnet: packets to hosts would go there.
func unused(subnet netip.Prefix) error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("list the interfaces of this machine: %w", err)
	}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			continue // it is gone
		}
		for _, a := range addresses {
			if other, err := netip.ParsePrefix(a.String()); err == nil && other.Masked().Overlaps(subnet) {
				return fmt.Errorf("subnet %v is in use: interface %s has %v", subnet, i.Name, other)
			}
		}
	}
	return nil
}

// free returns an error when something has a name that the lab would give.
func free(ctx context.Context, name string) error {
	if _, err := net.InterfaceByName(name); err == nil {
		return fmt.Errorf("make network %s: an interface of this name is there: %w", name, fs.ErrExist)
	}
	found, err := spaces(ctx, name)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("make network %s: the namespace %s is there: %w", name, found[0], fs.ErrExist)
	}
	return err
}

// wire makes all that New promises, given the namespace of the switch.
func (l *Lab) wire(ctx context.Context, bits int) error {
	const bridge = "switch"
	w := &wiring{ctx: ctx}
	w.ip("-n", l.name, "link", "add", bridge, "type", "bridge", "forward_delay", "0", "stp_state", "0")
	w.ip("-n", l.name, "link", "set", bridge, "up")
	w.ip("link", "add", l.name, "type", "veth", "peer", "name", "machine", "netns", l.name)
	w.ip("-n", l.name, "link", "set", "machine", "master", bridge, "addrgenmode", "none", "up")
	w.ip("addr", "add", fmt.Sprintf("%v/%d", l.gateway, bits), "dev", l.name)
	w.ip("link", "set", l.name, "up")
	for i, h := range l.hosts {
		space, port := l.space(h.name), port(i)
		w.ip("netns", "add", space)
		w.ip("-n", l.name, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
		w.ip("-n", l.name, "link", "set", port, "master", bridge, "addrgenmode", "none", "up")
		w.ip("-n", space, "addr", "add", fmt.Sprintf("%v/%d", h.address, bits), "dev", "eth0")
		w.ip("-n", space, "link", "set", "eth0", "up")
		w.ip("-n", space, "link", "set", "lo", "up")
	}
	return w.err
}

// wiring runs commands until one fails.
type wiring struct {
	ctx context.Context //nolint:containedctx // of one run of commands
	err error
}

func (w *wiring) ip(args ...string) {
	if w.err == nil {
		_, w.err = ip(w.ctx, args...)
	}
}

// space is the namespace of a host.
func (l *Lab) space(host string) string { return l.name + "-" + host }

// port is the switch's end of the link to the host of an index.
func port(index int) string { return fmt.Sprintf("p%d", index) }

// Open returns a lab that another process has made; one that was not made to its end has fewer hosts. The error is
// [fs.ErrNotExist] when there is none. What the other process does by itself, such as to slow down a link, stays its own.
func Open(ctx context.Context, name string) (*Lab, error) {
	if err := Supported(); err != nil {
		return nil, err
	}
	if !labNames.MatchString(name) {
		return nil, fmt.Errorf("open network %q: a name has 1 to 9 lower-case letters and digits and begins with a letter", name)
	}
	spaces, err := spaces(ctx, name)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(spaces, name) {
		return nil, fmt.Errorf("open network %s: %w", name, fs.ErrNotExist)
	}
	lab := &Lab{name: name, relays: map[string]*relay{}}
	lab.gateway, _ = addressOf(ctx, "", name)
	for _, s := range spaces {
		if of, isHost := strings.CutPrefix(s, name+"-"); isHost {
			if address, err := addressOf(ctx, s, "eth0"); err == nil {
				lab.hosts = append(lab.hosts, host{of, address})
			}
		}
	}
	slices.SortFunc(lab.hosts, func(a, b host) int { return a.address.Compare(b.address) })
	return lab, nil
}

// Name returns the lab's name.
func (l *Lab) Name() string { return l.name }

// Hosts returns the names of all hosts, in the order of their addresses.
func (l *Lab) Hosts() []string {
	names := make([]string, 0, len(l.hosts))
	for _, h := range l.hosts {
		names = append(names, h.name)
	}
	return names
}

// Address returns the address of a host; the zero Addr when there is no such host.
func (l *Lab) Address(host string) netip.Addr {
	if i := l.index(host); i >= 0 {
		return l.hosts[i].address
	}
	return netip.Addr{}
}

// Gateway returns this machine's own address in the lab.
func (l *Lab) Gateway() netip.Addr { return l.gateway }

func (l *Lab) index(name string) int {
	return slices.IndexFunc(l.hosts, func(h host) bool { return h.name == name })
}

// known returns the index of a host, or an error that names those that there are.
func (l *Lab) known(name string) (int, error) {
	if i := l.index(name); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("network %s has no host %q; it has %s", l.name, name, strings.Join(l.Hosts(), ", "))
}

// Command returns a run of a program on a host. Its process ID and signals are the program's own; its environment and folder
// are this process's until the caller sets them. For an unknown host its start returns an error.
func (l *Lab) Command(ctx context.Context, host, program string, args ...string) *exec.Cmd {
	path, err := ipPath()
	if err == nil {
		_, err = l.known(host)
	}
	cmd := exec.CommandContext(ctx, path, append([]string{"netns", "exec", l.space(host), program}, args...)...) //nolint:gosec // what the caller asks for
	if err != nil {
		cmd.Err = err
	}
	return cmd
}

// Close removes the lab. Processes that still run on a host keep its namespace, nameless and without a link, until they
// end. Closing a lab that is gone does nothing.
func (l *Lab) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, r := range l.relays {
		r.stop()
		delete(l.relays, name)
	}
	spaces, err := spaces(ctx, l.name)
	if err != nil {
		return err
	}
	var all error
	if _, err := net.InterfaceByName(l.name); err == nil && len(spaces) > 0 {
		_, err := ip(ctx, "link", "del", l.name)
		all = errors.Join(all, err)
	}
	for _, s := range spaces { // the switch comes last: as long as it is there the lab is, for Open
		if s != l.name {
			_, _ = ip(ctx, "-n", s, "link", "del", "eth0") // a namespace that a process holds would keep it
			_, err := ip(ctx, "netns", "del", s)
			all = errors.Join(all, err)
		}
	}
	if slices.Contains(spaces, l.name) {
		_, err := ip(ctx, "netns", "del", l.name)
		all = errors.Join(all, err)
	}
	return all
}
