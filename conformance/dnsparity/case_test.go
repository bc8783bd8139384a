package dnsparity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// query is a question to both. The zero value of an option is what most clients send.
type query struct {
	ask  string // "web.service.consul. SRV"
	tcp  bool
	edns uint16 // buffer size; no EDNS when 0
	edit func(*dns.Msg)
	raw  []byte // sent as it is instead
	// some says that the answer has a random part of what there is: numbers of records are compared, not their names.
	some bool
	// silent says that Consul sends no answer.
	silent  bool
	differs string // why the two may answer differently; empty: they may not
}

func (q query) String() string {
	text := q.ask
	if q.raw != nil {
		text += fmt.Sprintf("%d bytes", len(q.raw))
	}
	if q.tcp {
		text += " over TCP"
	}
	if q.edns > 0 {
		text += fmt.Sprintf(" with EDNS %d", q.edns)
	}
	return text
}

func (q query) packet() ([]byte, error) {
	if q.raw != nil {
		return q.raw, nil
	}
	name, kind, _ := strings.Cut(q.ask, " ")
	m := new(dns.Msg).SetQuestion(name, dns.StringToType[kind])
	if q.edns > 0 {
		m.SetEdns0(q.edns, false)
	}
	if q.edit != nil {
		q.edit(m)
	}
	return m.Pack()
}

// describe writes an answer in a form that is equal for equal answers.
func (q query) describe(packet []byte) string {
	if packet == nil {
		return "no answer"
	}
	m := new(dns.Msg)
	if err := m.Unpack(packet); err != nil {
		return "unreadable: " + err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s id=%v qr=%v aa=%v tc=%v rd=%v ra=%v z=%v ad=%v cd=%v\n", dns.OpcodeToString[m.Opcode],
		dns.RcodeToString[m.Rcode], m.Id != 0, m.Response, m.Authoritative, m.Truncated, m.RecursionDesired,
		m.RecursionAvailable, m.Zero, m.AuthenticatedData, m.CheckingDisabled)
	for _, question := range m.Question {
		fmt.Fprintln(&b, "question", question.String())
	}
	q.section(&b, "answer", m.Answer)
	q.section(&b, "authority", m.Ns)
	q.section(&b, "additional", m.Extra)
	if !q.some {
		fmt.Fprintln(&b, "bytes", len(packet))
	}
	return b.String()
}

func (q query) section(b *strings.Builder, name string, records []dns.RR) {
	var lines []string
	for _, record := range records {
		if soa, ok := record.(*dns.SOA); ok {
			soa.Serial = 0 // the time
		}
		line := record.String()
		if q.some {
			line = fmt.Sprintf("%s %d", dns.TypeToString[record.Header().Rrtype], record.Header().Ttl)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Fprintln(b, name, strings.TrimSpace(line))
	}
}
