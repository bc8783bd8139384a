package up

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/build"
	"github.com/pandakit/panda/internal/workspace/logs"
)

// maxFiles is how many saved files are named.
const maxFiles = 3

// observeReplacing is for what happens to an instance as it is replaced.
func (s *screen) observeReplacing(e workspace.Event) {
	switch e.Kind {
	case workspace.Replaced:
		s.replaced(e)
	case workspace.Kept:
		s.bad(e.Label, fmt.Sprintf("not replaced: %v; the one before serves on", e.Err))
	case workspace.Retired:
		if e.Killed {
			s.bad(e.Label, "the one before did not drain, and was killed after "+span(e.Took))
		} else {
			s.warn(e.Label, fmt.Sprintf("the one before ended with %s", e.Exit))
		}
	case workspace.Emptied:
		s.warn(e.Label, "drains first: two processes of it cannot run at once")
	default:
		s.observeWhole(e)
	}
}

func (s *screen) replaced(e workspace.Event) {
	s.mu.Lock()
	s.addresses[e.Label] = e.Address
	s.mu.Unlock()
	if e.Address == "" {
		s.good(e.Label, "replaced after "+span(e.Took))
		return
	}
	s.good(e.Label, fmt.Sprintf("replaced after %s, passing at %s", span(e.Took), e.Address))
}

// observeFiles is for what saved files lead to, and for whole services.
func (s *screen) observeFiles(e workspace.Event) {
	names := strings.Join(e.Names, ", ")
	switch e.Kind { //nolint:exhaustive // others have theirs
	case workspace.Changed:
		s.say("%s changed: building %s", s.files(e.Files), names)
	case workspace.Unchanged:
		if names == "" {
			names = s.files(e.Files)
		}
		s.say("%s: nothing to replace", names)
	case workspace.Broken:
		s.problem(e.Err)
	case workspace.Unapplied:
		what := s.files(e.Files)
		if names != "" {
			what += " changed, and " + names + " was not replaced"
		} else {
			what += " changed"
		}
		s.note("%s: %s", what, e.Reason)
	case workspace.Unwatched:
		s.note("not everything is reloaded when it is saved: %v", e.Err)
	case workspace.Attached:
		s.say("%s is attached at %s; its own instances drain", e.Label, e.Address)
	case workspace.Detached:
		s.say("%s at %s is not attached any more (%s); its own instances start", e.Label, e.Address, e.Reason)
	case workspace.Downsizing:
		s.say("stopping %s of %s", command.Count(e.Count, "instance"), e.Label)
	}
}

// note prints a warning that is about no instance.
func (s *screen) note(format string, args ...any) {
	s.Print(s.Paint(logs.Yellow, "!") + " " + fmt.Sprintf(format, args...) + "\n")
}

// problem shows why something was not done; the services are as they were.
func (s *screen) problem(err error) {
	text := err.Error()
	if failed, ok := errors.AsType[*build.Error](err); ok {
		var all []string
		for _, failure := range failed.Failures {
			all = append(all, failure.Error())
		}
		text = strings.Join(all, "\n")
	}
	s.Print(s.Paint(logs.Red, "✗") + " " + strings.ReplaceAll(text, "\n", "\n    ") + "\n")
}

// files names the first of some files, relative to the working directory.
func (s *screen) files(paths []string) string {
	var names []string
	for _, path := range paths[:min(len(paths), maxFiles)] {
		if relative, err := filepath.Rel(s.env.Dir, path); err == nil && filepath.IsLocal(relative) {
			path = relative
		}
		names = append(names, path)
	}
	text := strings.Join(names, ", ")
	switch more := len(paths) - maxFiles; {
	case len(paths) == 0:
		return "much"
	case more > 0:
		return fmt.Sprintf("%s and %s", text, command.Count(more, "more file"))
	}
	return text
}
