package document

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/protobuild/place"
)

// Encoding is how an OpenAPI description is written down.
type Encoding int

// The encodings.
const (
	JSON Encoding = iota
	YAML
)

// HTTPError says what is wrong with the option google.api.http of a method.
type HTTPError struct {
	Place place.Place // of the method
	Text  string
}

func (e *HTTPError) Error() string { return fmt.Sprintf("%v: %s", e.Place, e.Text) }

// OpenAPI describes the services of files as OpenAPI 3.1. A method is called as its google.api.http says; one
// without is called by POST to /package.Service/Method, as the Connect protocol does. Schemas are those of
// protobuf's JSON form. The error is an [*HTTPError].
func OpenAPI(files []protoreflect.FileDescriptor, o Options, encoding Encoding) ([]byte, error) {
	s := newSet(files, o)
	d := &description{set: s, schemas: newSchemas(s.notes), shapes: make(map[string]template), paths: make(map[string]map[string]operation)}
	tags, err := d.services()
	if err != nil {
		return nil, err
	}
	for _, file := range s.files {
		walk(file, func(d2 protoreflect.Descriptor) { d.schemas.refer(d2) })
	}
	d.schemas.finish()
	document := object{
		{"openapi", "3.1.0"},
		{"info", object{{"title", s.title()}, {"version", s.version()}}},
	}
	if len(tags) > 0 {
		document.set("tags", tags)
	}
	document.set("paths", d.pathsObject())
	if components := d.components(); len(components) > 0 {
		document.set("components", object{{"schemas", components}})
	}
	if encoding == YAML {
		return toYAML(document)
	}
	return toJSON(document)
}

// description is one run of OpenAPI.
type description struct {
	*set

	schemas *schemas
	shapes  map[string]template             // the first template of each shape
	paths   map[string]map[string]operation // by path and verb

	connectErrors, statusErrors bool // which form of errors is used
}

// operation is one verb of a path.
type operation struct {
	object object
	method protoreflect.FullName
}

// verbs in the order in which they are written.
var verbs = []string{"get", "put", "post", "delete", "patch"}

func (d *description) pathsObject() object {
	paths := object{}
	for _, path := range slices.Sorted(maps.Keys(d.paths)) {
		item := object{}
		for _, verb := range verbs {
			if o, ok := d.paths[path][verb]; ok {
				item.set(verb, o.object)
			}
		}
		paths.set(path, item)
	}
	return paths
}

func (d *description) components() object {
	components := object{}
	for _, name := range slices.Sorted(maps.Keys(d.schemas.made)) {
		components.set(name, d.schemas.made[name])
	}
	if d.connectErrors {
		components.set("connect.error", connectError())
	}
	if d.statusErrors && d.schemas.made["google.rpc.Status"] == nil {
		components.set("google.rpc.Status", statusError())
	}
	return components
}

// services adds all methods and returns a tag for each service.
func (d *description) services() ([]any, error) {
	var tags []any
	for _, file := range d.files {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			tag := object{{"name", string(service.FullName())}}
			tag.setText("description", comment(service))
			tags = append(tags, tag)
			for j := range service.Methods().Len() {
				if err := d.method(service.Methods().Get(j)); err != nil {
					return nil, err
				}
			}
		}
	}
	return tags, nil
}

func (d *description) method(m protoreflect.MethodDescriptor) error {
	bindings := d.notes.bindings(m)
	if len(bindings) == 0 {
		if err := d.connect(m); err != nil {
			return &HTTPError{place.Of(m, 1), fmt.Sprintf("method %s: %v", m.Name(), err)}
		}
	}
	for i, b := range bindings {
		if err := d.bind(m, b, i); err != nil {
			return &HTTPError{place.Of(m, 1), fmt.Sprintf("google.api.http of method %s: %v", m.Name(), err)}
		}
	}
	return nil
}

// begin is what an operation of a method begins with; n counts the method's bindings.
func begin(m protoreflect.MethodDescriptor, n int) object {
	id := string(m.FullName())
	if n > 0 {
		id = fmt.Sprintf("%s_%d", id, n+1)
	}
	o := object{{"tags", texts(string(m.Parent().FullName()))}}
	description := comment(m)
	if kind := streaming(m); kind != unary {
		description = strings.TrimPrefix(description+"\n\nThe call "+kind+".", "\n\n")
	}
	summary, _, _ := strings.Cut(comment(m), "\n")
	o.setText("summary", summary)
	o.setText("description", description)
	o.set("operationId", id)
	if deprecated(m) {
		o.set("deprecated", true)
	}
	return o
}

// connect adds the call that the Connect protocol makes of any method.
func (d *description) connect(m protoreflect.MethodDescriptor) error {
	d.connectErrors = true
	content := "application/json"
	if streaming(m) != unary {
		content = "application/connect+json" // each message in an envelope
	}
	o := begin(m, 0)
	o.set("requestBody", object{
		{"content", object{{content, object{{"schema", d.schemas.refer(m.Input())}}}}}, {"required", true},
	})
	o.set("responses", responses(content, d.schemas.refer(m.Output()), "connect.error"))
	return d.place(m, "post", template{path: fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())}, o)
}

func responses(content string, schema object, failure string) object {
	return object{
		{"200", object{{"description", "The answer."}, {"content", object{{content, object{{"schema", schema}}}}}}},
		{"default", object{
			{"description", "The call failed."},
			{"content", object{{"application/json", object{{"schema", object{{"$ref", reference + failure}}}}}}},
		}},
	}
}

// bind adds one binding of a method.
func (d *description) bind(m protoreflect.MethodDescriptor, b binding, n int) error {
	d.statusErrors = true
	t, err := parseTemplate(b.path, m.Input())
	if err != nil {
		return err
	}
	if first, ok := d.shapes[t.shape()]; ok {
		t = t.renamed(first)
	} else {
		d.shapes[t.shape()] = t
	}
	o := begin(m, n)
	inPath := make(map[protoreflect.Name]bool)
	parameters := []any{}
	for _, p := range t.parameters {
		parameters = append(parameters, d.pathParameter(p))
		inPath[p.top] = true
	}
	body, err := d.body(m, b, inPath)
	if err != nil {
		return err
	}
	if b.body != "*" {
		parameters = append(parameters, d.query(m.Input(), t, b.body)...)
	}
	if len(parameters) > 0 {
		o.set("parameters", parameters)
	}
	if body != nil {
		o.set("requestBody", object{{"content", object{{"application/json", object{{"schema", body}}}}}, {"required", true}})
	}
	answer := d.schemas.refer(m.Output())
	if b.responseBody != "" {
		_, field, err := fieldAt(m.Output(), b.responseBody)
		if err != nil {
			return fmt.Errorf("response_body: %w", err)
		}
		answer = d.schemas.field(field)
	}
	content := "application/json"
	if m.IsStreamingServer() {
		content = "application/x-ndjson" // one answer a line
	}
	o.set("responses", responses(content, answer, "google.rpc.Status"))
	return d.place(m, b.verb, t, o)
}

// place puts an operation where it belongs, which must be free.
func (d *description) place(m protoreflect.MethodDescriptor, verb string, t template, o object) error {
	if d.paths[t.path] == nil {
		d.paths[t.path] = make(map[string]operation)
	}
	if taken, ok := d.paths[t.path][verb]; ok {
		return fmt.Errorf("%s %s is taken by %s", strings.ToUpper(verb), t.path, taken.method)
	}
	d.paths[t.path][verb] = operation{o, m.FullName()}
	return nil
}

func (d *description) pathParameter(p pathParameter) object {
	o := object{{"name", p.name}, {"in", "path"}}
	description := comment(p.field)
	if p.pattern != "" {
		description = strings.TrimPrefix(description+fmt.Sprintf("\n\nA part of %s, which is %s.", p.field.Name(), p.pattern), "\n\n")
	}
	if p.many {
		description = strings.TrimPrefix(description+"\n\nIt may have slashes in it.", "\n\n")
	}
	o.setText("description", description)
	o.set("required", true)
	schema := object{{"type", "string"}}
	if p.pattern == "" {
		schema = d.schemas.single(p.field)
	}
	o.set("schema", schema)
	return o
}

// body returns the schema of what is sent, nil when nothing is.
func (d *description) body(m protoreflect.MethodDescriptor, b binding, inPath map[protoreflect.Name]bool) (object, error) {
	switch {
	case b.body == "":
		return nil, nil
	case b.body != "*":
		_, field, err := fieldAt(m.Input(), b.body)
		if err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		return d.schemas.field(field), nil
	case len(inPath) == 0:
		return d.schemas.refer(m.Input()), nil
	}
	return d.schemas.message(m.Input(), inPath), nil
}

// maxQueryDepth bounds how deep messages within messages become parameters.
const maxQueryDepth = 8
