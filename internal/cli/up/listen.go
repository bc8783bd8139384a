package up

import (
	"path/filepath"

	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/control"
	"github.com/pandakit/panda/internal/workspace/tail"
)

// listen lets other commands reach the services; nil when they cannot, which is told.
func (s *screen) listen(runner *workspace.Runner, stop func()) *control.Server {
	dir := s.env.Dir
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	server, err := control.Listen(control.Config{
		Folder: control.Folder(s.env.Getenv), Folders: s.work.Folders, Dir: dir, Registry: s.registry.health.String(),
		Runner: runner, Lines: s.lines, Stop: stop,
	})
	if err != nil {
		s.note("%v; panda logs, restart, scale, stop and attach do not work", err)
		return nil
	}
	return server
}

// keep returns what keeps the lines of programs for those who ask later.
func keep(work *workspace.Workspace, lines *tail.Store) func(label string, line []byte) {
	return func(label string, line []byte) { lines.Add(work.ServiceOf(label), label, string(line)) }
}
