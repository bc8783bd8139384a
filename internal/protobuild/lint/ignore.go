package lint

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/nearname"
	"github.com/pandakit/panda/internal/protobuild/place"
)

// directive begins a line of a comment that switches a rule off.
const directive = "panda:lint-ignore"

// ignoreValid is the rule about such comments.
const ignoreValid = "IGNORE_VALID"

// ignore is one such line.
type ignore struct {
	rule   string
	reason string
	at     place.Place // of the element
	used   bool
}

// ignores are those of one file, by the path of the element they stand at.
type ignores struct {
	byPath map[string][]*ignore
	all    []*ignore // in the file's order
}

func readIgnores(file protoreflect.FileDescriptor) *ignores {
	found := &ignores{byPath: make(map[string][]*ignore)}
	locations := file.SourceLocations()
	for i := range locations.Len() {
		at := locations.Get(i)
		comments := append(append([]string{}, at.LeadingDetachedComments...), at.LeadingComments, at.TrailingComments)
		for line := range strings.Lines(strings.Join(comments, "\n")) {
			text, ok := cutDirective(line)
			if !ok {
				continue
			}
			rule, reason, _ := strings.Cut(text, " ")
			one := &ignore{
				rule: rule, reason: strings.TrimSpace(reason),
				at: place.Place{Path: file.Path(), Line: at.StartLine + 1, Column: at.StartColumn + 1},
			}
			found.all = append(found.all, one)
			key := at.Path.String()
			found.byPath[key] = append(found.byPath[key], one)
		}
	}
	return found
}

// cutDirective returns what a line of a comment says to this package, and whether it says anything.
func cutDirective(line string) (text string, ok bool) {
	text, ok = strings.CutPrefix(strings.TrimSpace(line), directive)
	if !ok || text != "" && text[0] != ' ' && text[0] != '\t' {
		return "", false
	}
	return strings.TrimSpace(text), true
}

// cover reports whether a comment at d, at the part, at what d is in, or at the file's syntax or package switches
// the rule off. It notes that the comment was needed.
func (g *ignores) cover(d protoreflect.Descriptor, part []int32, rule string) bool {
	if len(g.all) == 0 {
		return false
	}
	covered := false
	for _, path := range pathsAround(d, part) {
		for _, one := range g.byPath[path] {
			if one.rule == rule {
				one.used, covered = true, true
			}
		}
	}
	return covered
}

func pathsAround(d protoreflect.Descriptor, part []int32) []string {
	paths := []string{protoreflect.SourcePath(partSyntax).String(), protoreflect.SourcePath(partPackage).String()}
	locations := d.ParentFile().SourceLocations()
	base := locations.ByDescriptor(d).Path
	for n := range part {
		paths = append(paths, append(append(protoreflect.SourcePath{}, base...), part[:n+1]...).String())
	}
	for ; d != nil; d = d.Parent() {
		if path := locations.ByDescriptor(d).Path; path != nil {
			paths = append(paths, path.String())
		}
	}
	return paths
}

// judgeIgnores reports comments that name no rule, give no reason, or are not needed. A rule that is off has no
// finding that could show the need.
func (r *run) judgeIgnores(on map[string]bool) {
	for _, file := range r.files {
		for _, one := range r.ignores[file.Path()].all {
			if text := one.wrong(on); text != "" {
				r.found = append(r.found, Finding{one.at, ignoreValid, text})
			}
		}
	}
}

func (i *ignore) wrong(on map[string]bool) string {
	if i.rule == "" {
		return directive + " names no rule; write " + directive + " RULE and why"
	}
	if _, known := ByID(i.rule); !known {
		text := directive + " names " + i.rule + ", and there is no such rule"
		if near := nearname.Of(i.rule, Names()); len(near) > 0 {
			text += "; near: " + strings.Join(near, ", ")
		}
		return text
	}
	switch {
	case i.reason == "":
		return directive + " " + i.rule + " does not say why"
	case on[i.rule] && !i.used:
		return directive + " " + i.rule + " is not needed; remove it"
	}
	return ""
}
