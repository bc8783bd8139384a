package document

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// template is the path of a binding as OpenAPI writes it.
type template struct {
	path       string // "/v1/pets/{pet_id}:feed"
	parameters []pathParameter
}

// pathParameter is one variable part of a path.
type pathParameter struct {
	name    string // between braces in the path
	field   protoreflect.FieldDescriptor
	top     protoreflect.Name // the field of the request that has it
	pattern string            // what the whole variable looks like when this is a part of it: "shelves/*"
	many    bool              // it may have slashes in it
}

// parseTemplate reads a path of google.api.http, such as "/v1/{name=shelves/*/books/*}:publish". OpenAPI has no
// variable of several segments, so each * of one becomes a parameter.
func parseTemplate(text string, request protoreflect.MessageDescriptor) (template, error) {
	var t template
	if !strings.HasPrefix(text, "/") {
		return t, fmt.Errorf("path %q does not begin with a slash", text)
	}
	var path strings.Builder
	for rest := text; rest != ""; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			path.WriteString(rest)
			break
		}
		length := strings.IndexByte(rest[open:], '}')
		if length < 0 {
			return t, fmt.Errorf("path %q has a brace that is not closed", text)
		}
		path.WriteString(rest[:open])
		variable := rest[open+1 : open+length]
		rest = rest[open+length+1:]
		name, pattern, _ := strings.Cut(variable, "=")
		top, field, err := fieldAt(request, name)
		if err != nil {
			return t, fmt.Errorf("path %q: %w", text, err)
		}
		path.WriteString(t.add(name, pattern, top, field))
	}
	t.path = path.String()
	return t, nil
}

// add adds the parameters of one variable and returns what stands for it in the path.
func (t *template) add(name, pattern string, top protoreflect.Name, field protoreflect.FieldDescriptor) string {
	if pattern == "" || pattern == "*" || pattern == "**" {
		t.parameters = append(t.parameters, pathParameter{name, field, top, "", pattern == "**"})
		return "{" + name + "}"
	}
	segments := strings.Split(pattern, "/")
	stars := 0
	for _, s := range segments {
		if strings.HasPrefix(s, "*") {
			stars++
		}
	}
	number := 0
	for i, s := range segments {
		if !strings.HasPrefix(s, "*") {
			continue
		}
		number++
		part := name
		if stars > 1 {
			part += "_" + strconv.Itoa(number)
		}
		t.parameters = append(t.parameters, pathParameter{part, field, top, pattern, s == "**"})
		segments[i] = "{" + part + "}"
	}
	return strings.Join(segments, "/")
}

// fieldAt follows a path of names, such as "book.name", from a message.
func fieldAt(m protoreflect.MessageDescriptor, path string) (top protoreflect.Name, field protoreflect.FieldDescriptor, err error) {
	for i, name := range strings.Split(path, ".") {
		if m == nil {
			return "", nil, fmt.Errorf("%q leads into a field that is no message", path)
		}
		field = m.Fields().ByName(protoreflect.Name(name))
		if field == nil {
			return "", nil, fmt.Errorf("message %s has no field %q", m.FullName(), name)
		}
		if i == 0 {
			top = field.Name()
		}
		m = field.Message()
	}
	return top, field, nil
}

// shape is the path without the names of its parameters: two paths of one shape are the same path.
func (t *template) shape() string {
	path := t.path
	for _, p := range t.parameters {
		path = strings.Replace(path, "{"+p.name+"}", "{}", 1)
	}
	return path
}

// renamed returns the template with the names of parameters of another one of the same shape.
func (t *template) renamed(like template) template {
	result := template{path: like.path}
	for i, p := range t.parameters {
		p.name = like.parameters[i].name
		result.parameters = append(result.parameters, p)
	}
	return result
}
