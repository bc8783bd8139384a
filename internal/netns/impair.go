package netns

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// maxDelay bounds a link's delay, and with it what is under way on it.
const maxDelay = 10 * time.Second

// Link is what is wrong with a host's link, in each direction: what takes a round trip has it twice. The zero value is a good
// link.
type Link struct {
	Delay  time.Duration // how long each packet takes; 0 to 10 s
	Jitter time.Duration // up to how much longer a packet takes, by chance; packets stay in their order
	Loss   float64       // the share of packets that are lost, by chance; 0 to 1
}

func (k Link) check() error {
	if k.Delay < 0 || k.Jitter < 0 || k.Delay+k.Jitter > maxDelay {
		return fmt.Errorf("a link's delay of %v and jitter of %v are not within 0 and %v", k.Delay, k.Jitter, maxDelay)
	}
	if !(k.Loss >= 0 && k.Loss <= 1) {
		return fmt.Errorf("a link's loss of %v is not within 0 and 1", k.Loss)
	}
	return nil
}

// relay carries the packets of one host's link through this process.
type relay struct {
	link    Link
	sockets []packetSocket
	ended   chan struct{}
	done    sync.WaitGroup
}

// packetSocket reads and writes whole packets of one interface.
type packetSocket interface {
	Read(packet []byte) (int, error)
	Write(packet []byte) (int, error)
	Close() error // ends a Read that waits
}

// Impair makes a host's link bad until Repair. A later call replaces an earlier one. It is this process that carries the
// packets then, since many kernels come without netem: the host is cut off if the process is killed or frozen.
func (l *Lab) Impair(host string, link Link) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	index, err := l.known(host)
	if err != nil {
		return err
	}
	if err := link.check(); err != nil {
		return err
	}
	if err := l.repair(host, index); err != nil {
		return err
	}
	inner, outer := port(index), fmt.Sprintf("r%d", index)
	w := &wiring{ctx: context.Background()}
	w.ip("-n", l.name, "link", "add", outer, "type", "veth", "peer", "name", outer+"s")
	w.ip("-n", l.name, "link", "set", outer, "addrgenmode", "none", "up")
	w.ip("-n", l.name, "link", "set", outer+"s", "master", "switch", "addrgenmode", "none", "up")
	w.ip("-n", l.name, "link", "set", inner, "nomaster")
	if w.err == nil {
		l.relays[host], w.err = l.relay(link, inner, outer)
	}
	if w.err != nil {
		return errors.Join(w.err, l.restore(index))
	}
	return nil
}

// Links returns what this process has impaired, by host.
func (l *Lab) Links() map[string]Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	links := map[string]Link{}
	for name, r := range l.relays {
		links[name] = r.link
	}
	return links
}

// Repair undoes Impair. A good link stays as it is.
func (l *Lab) Repair(host string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	index, err := l.known(host)
	if err != nil {
		return err
	}
	return l.repair(host, index)
}

func (l *Lab) repair(host string, index int) error {
	r := l.relays[host]
	if r == nil {
		return nil
	}
	r.stop()
	delete(l.relays, host)
	return l.restore(index)
}

// restore wires the host to the switch again.
func (l *Lab) restore(index int) error {
	ctx := context.Background()
	_, _ = ip(ctx, "-n", l.name, "link", "del", fmt.Sprintf("r%d", index)) // it may not have come to be
	_, err := ip(ctx, "-n", l.name, "link", "set", port(index), "master", "switch")
	return err
}

// relay carries packets between two interfaces of the switch's namespace.
func (l *Lab) relay(link Link, inner, outer string) (*relay, error) {
	r := &relay{link: link, ended: make(chan struct{})}
	for _, device := range []string{inner, outer} {
		s, err := openPackets(l.name, device)
		if err != nil {
			r.stop()
			return nil, err
		}
		r.sockets = append(r.sockets, s)
	}
	r.carry(r.sockets[0], r.sockets[1])
	r.carry(r.sockets[1], r.sockets[0])
	return r, nil
}

func (r *relay) stop() {
	close(r.ended)
	for _, s := range r.sockets {
		_ = s.Close() // what is under way is lost, as it is on a link
	}
	r.done.Wait()
}
