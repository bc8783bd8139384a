package dnsapi

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// recurse passes the query on to the recursors, one after the other, and their first usable answer back.
func (q *query) recurse() {
	network := "udp"
	if q.overTCP() {
		network = "tcp"
	}
	for _, recursor := range q.set.order() {
		reply, err := q.server.ask(q.server.life, q.set, network, recursor, q.request)
		if reply != nil && reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
			continue // another may know better
		}
		if err == nil || reply != nil && reply.Truncated {
			reply.Compress = !q.set.DisableCompression
			q.write(reply)
			return
		}
		q.server.cfg.Logger.Warn("recursor does not answer", "recursor", recursor, "name", q.question.Name, "error", err)
	}
	q.fail()
}

// order returns the recursors as they are to be asked.
func (s *settings) order() []string {
	if !s.RandomRecursor {
		return s.recursors
	}
	recursors := slices.Clone(s.recursors)
	rand.Shuffle(len(recursors), func(i, j int) { recursors[i], recursors[j] = recursors[j], recursors[i] }) //nolint:gosec // spreads load; nothing secret depends on it
	return recursors
}

var errBusy = errors.New("too many names are being asked for")

// ask sends a message to a recursor. It may return an answer that is not whole together with an error.
// Among its bounds is that of all that is asked at once: a recursor that asks this server would never end.
func (s *Server) ask(ctx context.Context, set *settings, network, recursor string, message *dns.Msg) (*dns.Msg, error) {
	select {
	case s.recursions <- struct{}{}:
		defer func() { <-s.recursions }()
	default:
		return nil, errBusy
	}
	client := &dns.Client{Net: network, Timeout: set.timeout}
	conn, err := client.DialContext(ctx, recursor)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends the wait for an answer
	defer stop()
	defer conn.Close()
	reply, _, err := client.ExchangeWithConnContext(ctx, message, conn)
	return reply, err
}

// maxFollowed bounds the addresses that one name within an answer is followed to.
const maxFollowed = 256

// follow returns the addresses that a name leads to, and the names on the way, with that TTL.
func (l *lookup) follow(host string, ttl uint32) []dns.RR {
	const mostWithoutEDNS = 5
	var records []dns.RR
	for _, record := range l.resolveHost(dns.Fqdn(host)) {
		switch record.(type) {
		case *dns.CNAME, *dns.A, *dns.AAAA:
		default:
			continue
		}
		record = dns.Copy(record)
		record.Header().Ttl = ttl
		if records = append(records, record); len(records) == mostWithoutEDNS && !l.edns {
			break
		}
	}
	return records
}

// resolveHost returns what is known of a name: from the catalog when it is below a domain, or else from
// the recursors.
func (l *lookup) resolveHost(name string) []dns.RR {
	if !l.server.zone.holds(name) {
		return l.hosts.resolve(l.server, l.set, name)
	}
	if l.depth < 1 {
		l.server.cfg.Logger.Warn("DNS name leads to another too often", "name", name)
		return nil
	}
	inner := &lookup{
		server: l.server, set: l.set, view: l.view, name: name, qtype: dns.TypeANY,
		domain: l.server.zone.of(name), depth: l.depth - 1, room: maxFollowed, hosts: l.hosts,
	}
	inner.resolve(name)
	return inner.answer
}

// hostPatience bounds how long one answer waits for the addresses of all names that are in it.
const hostPatience = 10 * time.Second

// hosts asks the recursors for the IPv4 addresses of names, of each name once. The zero value is ready for use.
type hosts struct {
	known map[string][]dns.RR
	until time.Time
}

func (h *hosts) resolve(s *Server, set *settings, name string) []dns.RR {
	if len(set.recursors) == 0 {
		return nil
	}
	if h.known == nil {
		h.known, h.until = map[string][]dns.RR{}, time.Now().Add(hostPatience)
	}
	records, known := h.known[name]
	if !known {
		ctx, cancel := context.WithDeadline(s.life, h.until)
		defer cancel()
		records = s.addresses(ctx, set, name)
		h.known[name] = records
	}
	return records
}

func (s *Server) addresses(ctx context.Context, set *settings, name string) []dns.RR {
	question := new(dns.Msg).SetQuestion(name, dns.TypeA)
	for _, recursor := range set.order() {
		reply, err := s.ask(ctx, set, "udp", recursor, question)
		if err == nil {
			return reply.Answer
		}
		s.cfg.Logger.Warn("recursor does not answer", "recursor", recursor, "name", name, "error", err)
	}
	return nil
}
