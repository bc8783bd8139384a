package config

import (
	"fmt"
	"slices"
	"strings"
)

// Bounds of one file.
const (
	maxFileSize = 4 << 20 // bytes
	maxDepth    = 64      // of objects and lists inside each other
)

// kind is what a value is.
type kind string

const (
	null    kind = "null"
	boolean kind = "a boolean"
	number  kind = "a number"
	text    kind = "a string"
	list    kind = "a list"
	object  kind = "an object"
)

// value is what a key has, in either format, and where.
type value struct {
	kind   kind
	line   int
	yes    bool    // of a boolean
	text   string  // of a string or a number
	items  []value // of a list
	fields []field // of an object, in their order; of two with one name the last counts
	block  bool    // an HCL object, which may stand for a list of one
}

type field struct {
	name  string
	line  int
	value value
}

// set adds a field, or replaces the one of its name.
func (v *value) set(f field) {
	for i := range v.fields {
		if v.fields[i].name == f.name {
			v.fields[i] = f
			return
		}
	}
	v.fields = append(v.fields, f)
}

// field returns the value of that name, or nil.
func (v *value) field(name string) *value {
	for i := range v.fields {
		if v.fields[i].name == name {
			return &v.fields[i].value
		}
	}
	return nil
}

// has reports whether there is a field of that name, in any case, that says something.
func (v *value) has(name string) bool {
	return slices.ContainsFunc(v.fields, func(f field) bool { return strings.EqualFold(f.name, name) && f.value.kind != null })
}

// says reports whether the value asks for anything: it is not what a switched-off or absent setting looks like.
func (v *value) says() bool {
	switch v.kind { //nolint:exhaustive // null asks for nothing
	case boolean:
		return v.yes
	case text:
		return v.text != ""
	case number:
		return v.text != "0" && v.text != "-1"
	case list:
		return len(v.items) > 0
	case object:
		return len(v.fields) > 0
	}
	return false
}

// one returns the object that the value is, also when it is the only one of a list, as repeated HCL blocks are.
func (v *value) one() *value {
	if v.kind == list && len(v.items) == 1 {
		v = &v.items[0]
	}
	if v.kind != object {
		return nil
	}
	return v
}

// many returns the items of a list; one HCL block is a list of one.
func (v *value) many() ([]value, bool) {
	if v.kind == object && v.block {
		return []value{*v}, true
	}
	return v.items, v.kind == list
}

// FileError is what is wrong with a file. Line is 0 where it is not known.
type FileError struct {
	File string
	Line int
	Text string
}

func (p *FileError) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// read returns the tree of a file's content, whose format is "json" or "hcl". An empty file is an empty object.
func read(format string, data []byte) (value, *FileError) {
	if len(data) > maxFileSize {
		return value{}, &FileError{Text: fmt.Sprintf("a configuration file may have %d MiB at the most", maxFileSize>>20)}
	}
	if strings.TrimSpace(string(data)) == "" {
		return value{kind: object}, nil
	}
	if format == formatJSON {
		return readJSON(data)
	}
	return readHCL(data)
}
