package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/nearname"
)

// verdict is what becomes of a key.
type verdict int

const (
	taken   verdict = iota
	ignored         // nothing here depends on it
	warned          // something else would happen in Consul; the agent runs without it
	refused         // without it something would be wrong or unsafe that the user relies on
)

// key says what becomes of a key of objects that are read into a T.
type key[T any] struct {
	verdict verdict
	why     string // for warned and refused
	of      string // the key that this is another name of
	read    func(r *reader, into *T, v value, name string)
}

// table holds keys by their names in lower case; those of objects inside of objects are "outer.inner".
type table[T any] map[string]key[T]

func (t table[T]) take(name string, read func(*reader, *T, value, string)) {
	t[name] = key[T]{verdict: taken, read: read}
}

// judge gives several keys the same verdict. A name "outer.inner other" stands for outer.inner and outer.other.
func (t table[T]) judge(v verdict, why string, names ...string) {
	for _, name := range names {
		outer := ""
		for n, inner := range strings.Fields(name) {
			if dot := strings.LastIndexByte(inner, '.'); n == 0 && dot >= 0 {
				outer = inner[:dot+1]
			} else {
				inner = outer + inner
			}
			t[inner] = key[T]{verdict: v, why: why}
		}
	}
}

// alias makes a second name of a key; where both are given the key's own name counts.
func (t table[T]) alias(name string, others ...string) {
	for _, other := range others {
		t[other] = key[T]{of: name}
	}
}

// inner returns the names right below the prefix.
func (t table[T]) inner(prefix string) []string {
	names := map[string]bool{}
	for name := range t {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			name, _, _ = strings.Cut(rest, ".")
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// mostProblems bounds how many problems of one file are told.
const mostProblems = 20

// reader collects what is to be said of one file.
type reader struct {
	file     string
	problems []error
	warnings []string
}

func (r *reader) fail(line int, format string, args ...any) {
	if len(r.problems) < mostProblems {
		r.problems = append(r.problems, &FileError{r.file, line, fmt.Sprintf(format, args...)})
	}
}

func (r *reader) warn(line int, format string, args ...any) {
	r.warnings = append(r.warnings, (&FileError{r.file, line, fmt.Sprintf(format, args...)}).Error())
}

// decode reads the object into a T. prefix is that of the keys in the table, and label names the object for people.
func decode[T any](r *reader, into *T, from *value, keys table[T], prefix, label string) {
	for _, f := range from.fields {
		name := prefix + strings.ToLower(f.name)
		k, known := keys[name]
		if k.of != "" {
			if from.has(strings.TrimPrefix(k.of, prefix)) {
				continue
			}
			k = keys[k.of]
		}
		if !known {
			inside(r, into, f, keys, name, label)
			continue
		}
		if f.value.kind == null {
			continue
		}
		switch k.verdict {
		case taken:
			k.read(r, into, f.value, label+f.name)
		case warned:
			if f.value.says() {
				r.warn(f.line, "%s%s has no effect: %s", label, f.name, k.why)
			}
		case refused:
			if f.value.says() {
				r.fail(f.line, "%s%s is not supported: %s", label, f.name, k.why)
			}
		case ignored:
		}
	}
}

// inside reads a field whose name is no key: it may be an object of keys.
func inside[T any](r *reader, into *T, f field, keys table[T], name, label string) {
	if len(keys.inner(name+".")) == 0 {
		outer := name[:strings.LastIndexByte(name, '.')+1]
		near := nearname.Of(f.name, keys.inner(outer))
		hint := ""
		if len(near) > 0 {
			hint = "; near: " + strings.Join(near, ", ")
		}
		r.fail(f.line, "unknown key %s%s%s", label, f.name, hint)
		return
	}
	if f.value.kind == null {
		return
	}
	nested := f.value.one()
	if nested == nil {
		r.fail(f.line, "%s%s is %s, not an object", label, f.name, f.value.kind)
		return
	}
	decode(r, into, nested, keys, name+".", label+f.name+".")
}

// The readers of values. Each takes a function that returns where in a T the value belongs.

func textKey[T any](at func(*T) *string) func(*reader, *T, value, string) {
	return func(r *reader, into *T, v value, name string) {
		if r.is(v, text, name) {
			*at(into) = v.text
		}
	}
}

func boolKey[T any](at func(*T) *bool) func(*reader, *T, value, string) {
	return func(r *reader, into *T, v value, name string) {
		if r.is(v, boolean, name) {
			*at(into) = v.yes
		}
	}
}

func intKey[T any](at func(*T) *int) func(*reader, *T, value, string) {
	return func(r *reader, into *T, v value, name string) {
		if !r.is(v, number, name) {
			return
		}
		n, err := strconv.Atoi(v.text)
		if err != nil {
			r.fail(v.line, "%s is %s, not an integer", name, v.text)
			return
		}
		*at(into) = n
	}
}

// secondsKey reads a number of seconds as a DNS record holds it.
func secondsKey[T any](at func(*T) *uint32) func(*reader, *T, value, string) {
	return func(r *reader, into *T, v value, name string) {
		if !r.is(v, number, name) {
			return
		}
		n, err := strconv.ParseUint(v.text, 10, 32)
		if err != nil {
			r.fail(v.line, "%s is %s, not a number of seconds from 0 to 4294967295", name, v.text)
			return
		}
		*at(into) = uint32(n)
	}
}

func durationKey[T any](at func(*T) *time.Duration) func(*reader, *T, value, string) {
	return func(r *reader, into *T, v value, name string) {
		if !r.is(v, text, name) {
			return
		}
		d, err := time.ParseDuration(v.text)
		if err != nil {
			r.fail(v.line, "%s: invalid duration %q; write for instance 10s or 1m30s", name, v.text)
			return
		}
		*at(into) = d
	}
}

// textsKey appends: lists of several files are joined.
func textsKey[T any](at func(*T) *[]string) func(*reader, *T, value, string) {
	return func(r *reader, into *T, v value, name string) {
		*at(into) = append(*at(into), r.texts(v, name)...)
	}
}

// textMapKey adds: of one key in several files the last counts.
func textMapKey[T any](at func(*T) *map[string]string) func(*reader, *T, value, string) {
	return func(r *reader, into *T, v value, name string) {
		r.each(v, name, func(f field) {
			if !r.is(f.value, text, name+"."+f.name) {
				return
			}
			if *at(into) == nil {
				*at(into) = map[string]string{}
			}
			(*at(into))[f.name] = f.value.text
		})
	}
}

// each calls do for every field of an object whose keys are the user's own.
func (r *reader) each(v value, name string, do func(field)) {
	only := v.one()
	if only == nil {
		r.fail(v.line, "%s is %s, not an object", name, v.kind)
		return
	}
	for _, f := range only.fields {
		do(f)
	}
}

func (r *reader) texts(v value, name string) []string {
	if !r.is(v, list, name) {
		return nil
	}
	var texts []string
	for n, item := range v.items {
		if r.is(item, text, fmt.Sprintf("%s[%d]", name, n)) {
			texts = append(texts, item.text)
		}
	}
	return texts
}

func (r *reader) is(v value, want kind, name string) bool {
	if v.kind != want {
		r.fail(v.line, "%s is %s, not %s", name, v.kind, want)
	}
	return v.kind == want
}

// objectsKey reads a list of objects, or one HCL block, with do.
func objectsKey[T any](do func(r *reader, into *T, v *value, name string)) func(*reader, *T, value, string) {
	return func(r *reader, into *T, v value, name string) {
		items, ok := v.many()
		if !ok {
			r.fail(v.line, "%s is %s, not a list", name, v.kind)
			return
		}
		for n := range items {
			if only := items[n].one(); only != nil {
				do(r, into, only, fmt.Sprintf("%s[%d]", name, n))
			} else {
				r.fail(items[n].line, "%s[%d] is %s, not an object", name, n, items[n].kind)
			}
		}
	}
}

// objectKey reads one object with do.
func objectKey[T any](do func(r *reader, into *T, v *value, name string)) func(*reader, *T, value, string) {
	return func(r *reader, into *T, v value, name string) {
		if only := v.one(); only != nil {
			do(r, into, only, name)
			return
		}
		r.fail(v.line, "%s is %s, not an object", name, v.kind)
	}
}
