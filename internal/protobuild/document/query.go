package document

import (
	"google.golang.org/protobuf/reflect/protoreflect"
)

// query returns the fields of a request that are neither in the path nor in the body as parameters of the query:
// a field of a message within by its path, "owner.name". Maps, and lists of messages, cannot be sent in this way.
func (d *description) query(request protoreflect.MessageDescriptor, t template, body string) []any {
	q := &queryFields{description: d, inPath: make(map[protoreflect.FullName]bool), body: protoreflect.Name(body)}
	for _, p := range t.parameters {
		q.inPath[p.field.FullName()] = true
	}
	q.message(request, "", nil)
	return q.parameters
}

// queryFields gathers parameters.
type queryFields struct {
	*description

	inPath     map[protoreflect.FullName]bool
	body       protoreflect.Name
	parameters []any
}

// message adds the fields of m, whose names begin with prefix. A message within itself is left out.
func (q *queryFields) message(m protoreflect.MessageDescriptor, prefix string, within []protoreflect.FullName) {
	if len(within) >= maxQueryDepth {
		return
	}
	for _, outer := range within {
		if outer == m.FullName() {
			return
		}
	}
	within = append(within, m.FullName())
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if prefix == "" && f.Name() == q.body || q.inPath[f.FullName()] || f.IsMap() {
			continue
		}
		_, own := wellKnownText(f.Message())
		switch {
		case f.Message() == nil || own:
			q.add(f, prefix+f.JSONName())
		case !f.IsList():
			q.message(f.Message(), prefix+f.JSONName()+".", within)
		}
	}
}

// wellKnownText reports whether a message is one value in JSON, which a query can have.
func wellKnownText(m protoreflect.MessageDescriptor) (object, bool) {
	if m == nil {
		return nil, false
	}
	_, wrapper := wrappers[m.FullName()]
	switch m.FullName() {
	case "google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask":
		wrapper = true
	}
	if !wrapper {
		return nil, false
	}
	return wellKnown(m.FullName())
}

func (q *queryFields) add(f protoreflect.FieldDescriptor, name string) {
	b := q.notes.behavior(f)
	o := object{{"name", name}, {"in", "query"}}
	o.setText("description", comment(f))
	if b.required {
		o.set("required", true)
	}
	if deprecated(f) {
		o.set("deprecated", true)
	}
	o.set("schema", q.schemas.field(f))
	q.parameters = append(q.parameters, o)
}
