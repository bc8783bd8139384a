// Package lint finds what is unwise in .proto files that compile: names that generated code spells oddly, packages
// that cannot get a second version, numbers that old data may hold. It is handed descriptors with their source
// locations and returns findings; it never reads a file and never changes one.
//
// A rule that is also one of buf's has buf's ID. A rule is switched off for all files by [Options], and at one
// element, with all that is in it, by a comment: "// panda:lint-ignore RULE why".
package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/nearname"
	"github.com/pandakit/panda/internal/protobuild/place"
)

// Finding is one breach of a rule.
type Finding struct {
	Place   place.Place
	Rule    string
	Message string
}

// Options switch rules on and off. Entries are IDs of rules, or names of categories for all their rules. What is
// in both lists is off.
type Options struct {
	Enable  []string // beside the rules that are on by default
	Disable []string
}

// UnknownError says that an entry of [Options] is neither a rule nor a category.
type UnknownError struct {
	Entry string
	Near  []string // rules and categories with like names; may be empty
}

func (e *UnknownError) Error() string {
	text := fmt.Sprintf("no rule or category %q", e.Entry)
	if len(e.Near) > 0 {
		text += "; near: " + strings.Join(e.Near, ", ")
	}
	return text
}

// Check returns the findings in files, sorted by place. Files that they only import are not judged. It may be
// called from several goroutines at once. The only error is an [*UnknownError].
func Check(files []protoreflect.FileDescriptor, o Options) ([]Finding, error) {
	on, err := enabled(o)
	if err != nil {
		return nil, err
	}
	r := &run{files: files, ignores: make(map[string]*ignores, len(files))}
	for _, file := range files {
		r.ignores[file.Path()] = readIgnores(file)
	}
	for i := range rules {
		if on[rules[i].ID] {
			p := &pass{run: r, rule: &rules[i]}
			p.rule.check(p)
		}
	}
	if on[ignoreValid] {
		r.judgeIgnores(on)
	}
	slices.SortStableFunc(r.found, func(a, b Finding) int {
		return cmp.Or(place.Compare(a.Place, b.Place), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
	})
	return r.found, nil
}

// enabled returns the IDs of the rules that are on.
func enabled(o Options) (map[string]bool, error) {
	on := make(map[string]bool)
	for _, r := range rules {
		on[r.ID] = r.Category.Default()
	}
	for _, list := range []struct {
		entries []string
		state   bool
	}{{o.Enable, true}, {o.Disable, false}} {
		for _, entry := range list.entries {
			known := false
			for _, r := range rules {
				if r.ID == entry || string(r.Category) == entry {
					on[r.ID], known = list.state, true
				}
			}
			if !known {
				return nil, &UnknownError{entry, nearname.Of(entry, Names())}
			}
		}
	}
	return on, nil
}

// run is one call of Check.
type run struct {
	files   []protoreflect.FileDescriptor
	ignores map[string]*ignores // by path of the file
	found   []Finding
}

// pass is one rule's turn in a run.
type pass struct {
	*run
	rule *Rule
}

// at reports a finding at d, or at a part of it, unless a comment there or around it says that it is meant.
func (p *pass) at(d protoreflect.Descriptor, part []int32, format string, args ...any) {
	if p.ignores[d.ParentFile().Path()].cover(d, part, p.rule.ID) {
		return
	}
	p.found = append(p.found, Finding{place.Of(d, part...), p.rule.ID, fmt.Sprintf(format, args...)})
}

// named reports a finding at the name of d, which is in the same place in all elements but files.
func (p *pass) named(d protoreflect.Descriptor, format string, args ...any) {
	p.at(d, partName, format, args...)
}

// The numbers of parts, as descriptor.proto counts them.
var (
	partName        = []int32{1}
	partPackage     = []int32{2}
	partSyntax      = []int32{12}
	partGoPackage   = []int32{8, 11}
	partRequest     = []int32{2}
	partResponse    = []int32{3}
	partAllowAlias  = []int32{3, 2}
	partLabel       = []int32{4}
	partFieldNumber = []int32{3}
)

const numberDependency = 3
