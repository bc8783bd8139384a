package dnsapi

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Sizes of messages, in bytes.
const (
	minUDPSize   = 512   // of a client without EDNS
	maxUDPSize   = 65507 // that a datagram can have
	udpReserve   = 7     // left free, as by Consul
	maxTCPSize   = 65523
	smallest     = 16 // an answer: a compressed name, the header of a record, an IPv4 address
	smallestSRV  = 21 // the same with a port and the shortest name
	farTooLarge  = 100
	closeEnough  = 10
	maxTCPAnswer = 4096
	maxTCPSRV    = 1024
)

// udpSize returns how large an answer the client takes over UDP.
func (q *query) udpSize() int {
	if edns := q.request.IsEdns0(); edns != nil {
		return min(max(int(edns.UDPSize()), minUDPSize), maxUDPSize)
	}
	return minUDPSize
}

// room returns how many answers are worth making. It is one more than fit, so that those left out are noticed.
func (q *query) room() int {
	srv := q.question.Qtype == dns.TypeSRV
	switch size := q.udpSize(); {
	case q.overTCP() && srv:
		return maxTCPSRV
	case q.overTCP():
		return maxTCPAnswer
	case size == minUDPSize:
		return q.set.udpAnswers + 1
	case srv:
		return size/smallestSRV + 1
	default:
		return size/smallest + 1
	}
}

// trim leaves out of the answer what the client cannot take.
func (q *query) trim(m *dns.Msg) {
	if len(m.Answer) <= min(1, q.set.udpAnswers) {
		return // one record is sent at any size
	}
	before := len(m.Answer)
	t := trimmer{Msg: m}
	if q.overTCP() {
		t.fit(maxTCPSize, maxTCPSize)
	} else {
		q.trimUDP(&t)
	}
	m.Truncated = q.set.EnableTruncate && len(m.Answer) < before
}

func (q *query) trimUDP(t *trimmer) {
	size := q.udpSize()
	compress := t.Compress
	if size == minUDPSize && len(t.Answer) > q.set.udpAnswers {
		// The limit is of the size without compression, for those who undo it on the way.
		t.Compress = false
		t.keep(q.set.udpAnswers)
	}
	t.fit(size-udpReserve, size)
	t.Compress = compress
}

// trimmer cuts an answer to a size.
type trimmer struct {
	*dns.Msg
	targets map[string]dns.RR // the first additional record of each name, in lower case; made when needed
}

// keep leaves the first answers, and of the additional records one for each name that these lead to. All others
// go, as in Consul: the EDNS record too.
func (t *trimmer) keep(answers int) {
	t.Answer = t.Answer[:answers]
	if t.targets == nil {
		t.targets = make(map[string]dns.RR, len(t.Extra))
		for _, record := range slices.Backward(t.Extra) {
			t.targets[strings.ToLower(record.Header().Name)] = record
		}
	}
	if len(t.targets) == 0 {
		return
	}
	t.Extra = make([]dns.RR, 0, answers)
	told := map[string]bool{}
	for _, record := range t.Answer {
		if srv, ok := record.(*dns.SRV); ok {
			t.tell(srv.Target, told)
		}
	}
}

// tell adds what is known of a name, and of the name that it stands for, unless it is told already.
func (t *trimmer) tell(name string, told map[string]bool) {
	for name = strings.ToLower(name); !told[name]; {
		told[name] = true
		record := t.targets[name]
		if record == nil {
			return
		}
		t.Extra = append(t.Extra, record)
		alias, ok := record.(*dns.CNAME)
		if !ok {
			return
		}
		name = strings.ToLower(alias.Target)
	}
}

// fit leaves out answers until the size is limit at most, or one is left. It goes fast while the size is far
// above coarse.
func (t *trimmer) fit(limit, coarse int) {
	for len(t.Answer) > 1 && t.Len() > limit {
		t.Ns = nil
		if t.Len()-coarse > farTooLarge {
			t.keepFitting(coarse)
		} else {
			t.keep(len(t.Answer) - 1)
		}
	}
}

// keepFitting keeps as many answers as fit, found by halving.
func (t *trimmer) keepFitting(size int) {
	all := t.Answer
	fits, tooMany := 0, len(all)+1
	for tooMany-fits > 1 {
		t.Answer = all
		middle := fits + (tooMany-fits)/2
		t.keep(middle)
		switch free := size - t.Len(); {
		case free < 0:
			tooMany = middle
		case free < closeEnough:
			return
		default:
			fits = middle
		}
	}
	t.Answer = all
	t.keep(fits)
}
