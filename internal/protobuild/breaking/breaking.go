// Package breaking compares two versions of a set of .proto files and tells which changes break someone: who
// reads or writes the binary form, who reads or writes the JSON form, who compiles the generated code. It is
// handed descriptors and returns findings; it never reads a file, a repository or a network.
//
// The rules have the names, and the judgement, of buf's categories WIRE, WIRE_JSON and FILE, so that a team can
// go from the one tool to the other.
package breaking

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/protobuild/place"
)

// Category is a set of rules: who must not be broken.
type Category string

// The categories, from the one that forbids least to the one that forbids most; Callers stands beside them.
const (
	Wire    Category = "wire"    // the binary form, and calls of methods that are still there
	JSON    Category = "json"    // the binary form and the JSON form
	Source  Category = "source"  // both forms, and code that was written against the generated code, file by file
	Callers Category = "callers" // both forms, and methods that are called: what a running client notices
)

// Categories returns all categories in the order in which they are documented.
func Categories() []Category { return []Category{Wire, JSON, Source, Callers} }

// Finding is one change that breaks someone.
type Finding struct {
	Place   place.Place // in the current files; the removed file itself when that is what is found
	Rule    string
	Message string     // what changed, and after a colon why that breaks
	Breaks  []Category // of Wire, JSON and Source those that the change breaks, in this order
}

// Options say what counts.
type Options struct {
	Category Category // Source when empty
	// Ignore leaves out findings of rules with these IDs, and findings in these files or folders; an entry
	// "RULE:path" leaves out one rule in one file or folder. Paths are those of imports, with slashes.
	Ignore []string
}

// UnknownError says that an entry of [Options].Ignore names a rule that there is none of.
type UnknownError struct{ Entry, Rule string }

func (e *UnknownError) Error() string { return fmt.Sprintf("unknown rule %q", e.Rule) }

// Compare returns what has changed from before to now that the options' category forbids, sorted by place. Files
// that the two sets only import are not compared; hand them in to have them compared. It may be called from
// several goroutines at once. The only error is an [*UnknownError].
func Compare(before, now []protoreflect.FileDescriptor, o Options) ([]Finding, error) {
	ignored, err := parseIgnore(o.Ignore)
	if err != nil {
		return nil, err
	}
	category := cmp.Or(o.Category, Source)
	c := &comparison{before: newIndex(before), now: newIndex(now), broken: make(map[change]broken)}
	for i := range rules {
		p := &pass{comparison: c, rule: &rules[i]}
		p.rule.check(p)
	}
	var list []Finding
	for _, f := range c.found {
		if !slices.Contains(f.rule.Categories, category) || ignored.covers(f.rule.ID, f.at.Path) {
			continue
		}
		list = append(list, f.finding(c.broken[f.change]))
	}
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(place.Compare(a.Place, b.Place), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
	})
	return list, nil
}

// change is one change of one element, which several rules may judge.
type change struct{ topic, element string }

// broken is what all rules together say of a change.
type broken struct {
	categories []Category
	worst      *Rule // the one of the least forgiving category
}

// found is a finding before it is known what else is said of the same change.
type found struct {
	rule   *Rule
	change change
	at     place.Place
	text   string
}

func (f *found) finding(b broken) Finding {
	why := f.rule.Why
	if severity(f.rule) == severity(sourceOnly) {
		why = b.worst.Why // which may be more than that code no longer compiles
	}
	result := Finding{Place: f.at, Rule: f.rule.ID, Message: f.text + ": " + why}
	for _, c := range []Category{Wire, JSON, Source} {
		if slices.Contains(b.categories, c) {
			result.Breaks = append(result.Breaks, c)
		}
	}
	return result
}

// comparison is one run of Compare.
type comparison struct {
	before, now *index
	found       []found
	broken      map[change]broken
}

// pass is one rule's turn in a comparison.
type pass struct {
	*comparison
	rule *Rule
}

// report notes a finding. The element is what changed, by a name that all rules of the same topic give it.
func (p *pass) report(element string, at place.Place, format string, args ...any) {
	f := found{rule: p.rule, change: change{p.rule.topic, element}, at: at, text: fmt.Sprintf(format, args...)}
	p.found = append(p.found, f)
	b := p.broken[f.change]
	if b.worst == nil || severity(p.rule) > severity(b.worst) {
		b.worst = p.rule
	}
	b.categories = append(b.categories, p.rule.Categories...)
	p.broken[f.change] = b
}

// sourceOnly is as severe as rules that are about generated code alone.
var sourceOnly = &Rule{Categories: onlySource}

// severity is higher for rules whose breaking is harder to live with.
func severity(r *Rule) int {
	for i, c := range []Category{Wire, JSON, Source} {
		if slices.Contains(r.Categories, c) {
			return 3 - i
		}
	}
	return 0
}

// ignoring is what Options.Ignore leaves out.
type ignoring struct {
	rules map[string]bool
	paths []ignoredPath
}

// ignoredPath is a file or folder, for one rule or, when that is "", for all.
type ignoredPath struct{ rule, path string }

func parseIgnore(entries []string) (ignoring, error) {
	result := ignoring{rules: make(map[string]bool)}
	for _, entry := range entries {
		rule, path, both := strings.Cut(entry, ":")
		switch {
		case both:
			if _, known := ByID(rule); !known {
				return ignoring{}, &UnknownError{entry, rule}
			}
			result.paths = append(result.paths, ignoredPath{rule, cleanPath(path)})
		case isRuleName(entry):
			if _, known := ByID(entry); !known {
				return ignoring{}, &UnknownError{entry, entry}
			}
			result.rules[entry] = true
		default:
			result.paths = append(result.paths, ignoredPath{"", cleanPath(entry)})
		}
	}
	return result, nil
}

func cleanPath(path string) string {
	return strings.TrimSuffix(strings.TrimPrefix(path, "./"), "/")
}

// isRuleName tells the form of a rule's ID from that of a path.
func isRuleName(entry string) bool {
	return strings.Trim(entry, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" && strings.Contains(entry, "_")
}

func (g *ignoring) covers(rule, path string) bool {
	if g.rules[rule] {
		return true
	}
	return slices.ContainsFunc(g.paths, func(p ignoredPath) bool {
		if p.rule != "" && p.rule != rule {
			return false
		}
		return p.path == "" || p.path == "." || path == p.path || strings.HasPrefix(path, p.path+"/")
	})
}
