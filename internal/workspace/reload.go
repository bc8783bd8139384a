package workspace

import (
	"bytes"
	"context"
	"errors"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/workspace/build"
	"github.com/pandakit/panda/internal/workspace/config"
	"github.com/pandakit/panda/internal/workspace/graph"
	"github.com/pandakit/panda/internal/workspace/watch"
)

// maxSource bounds the size in bytes of a Go file whose imports are looked at.
const maxSource = 4 << 20

// reloader brings what runs up to date with the files. One goroutine uses it.
type reloader struct {
	*Runner
	watcher *watch.Watcher
	graph   *graph.Graph
	shapes  map[string]string // imports and embedded files of Go files that have changed
	failed  map[string]string // what was told last of services that do not compile, by name
	broken  bool              // that code cannot be generated was told last
}

// reload watches the files of the services, and replaces the services that a change makes different, until ctx is done.
func (r *Runner) reload(ctx context.Context) {
	watcher, err := watch.New(graph.Skipped, r.unwatched)
	if err != nil {
		r.unwatched(err)
		return
	}
	defer watcher.Close()
	l := &reloader{Runner: r, watcher: watcher, shapes: make(map[string]string), failed: make(map[string]string)}
	var watching sync.WaitGroup
	watching.Go(func() { watcher.Run(ctx) })
	defer watching.Wait()
	if missed := l.learn(ctx, r.Since); len(missed) > 0 {
		l.take(ctx, watch.Batch{Paths: missed, First: time.Now()})
	}
	for {
		select {
		case <-ctx.Done():
			return
		case batch := <-watcher.Batches():
			l.take(ctx, batch)
		}
	}
}

func (r *Runner) unwatched(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopping {
		r.Observe(Event{Kind: Unwatched, Err: err})
	}
}

// learn reads anew what the services are made of, and returns the files in folders that were not watched before
// which have changed since a time. The graph before it stays when the go command can tell nothing.
func (l *reloader) learn(ctx context.Context, since time.Time) []string {
	var programs []graph.Program
	for _, s := range l.services {
		programs = append(programs, graph.Program{Name: s.Name, Dir: s.Dir, Module: s.Module.Dir, Env: s.Module.Env})
	}
	renewed, err := graph.Read(ctx, programs, l.Build.Environ)
	if err != nil {
		if l.graph == nil && ctx.Err() == nil {
			l.unwatched(err)
		}
		return nil
	}
	l.graph = renewed
	folders := slices.Concat(renewed.Folders(), l.folders)
	if l.Generate != nil {
		folders = append(folders, graph.Protos(l.folders, watch.MaxFolders)...)
	}
	added, err := l.watcher.Add(folders)
	if err != nil {
		l.unwatched(err)
	}
	if since.IsZero() {
		return nil
	}
	return graph.Newer(added, since)
}

// take brings the services up to date with a batch of changes.
func (l *reloader) take(ctx context.Context, batch watch.Batch) {
	_ = l.act(ctx, func(ctx context.Context) error { // what went wrong has been told
		if err := l.rolling.acquire(ctx); err != nil {
			return err
		}
		defer l.rolling.release()
		began := time.Now()
		l.tellUnapplied(batch)
		if !l.generate(ctx, batch) {
			return nil
		}
		services, files, renew := l.affected(batch)
		services = l.replaceable(services, files)
		if len(services) > 0 {
			l.update(ctx, services, files, batch.First)
		}
		if renew {
			if missed := l.learn(ctx, began); len(missed) > 0 {
				services, files, _ = l.affected(watch.Batch{Paths: missed})
				if services = l.replaceable(services, files); len(services) > 0 {
					l.update(ctx, services, files, time.Now())
				}
			}
		}
		return nil
	})
}

// tellUnapplied says of panda.yaml that it is read once.
func (l *reloader) tellUnapplied(batch watch.Batch) {
	for _, folder := range l.folders {
		if path := filepath.Join(folder, config.Name); slices.Contains(batch.Paths, path) {
			l.tell(Event{Kind: Unapplied, Files: []string{path}, Reason: "it is read when panda up starts: start it again to apply this"})
		}
	}
}

func (l *reloader) tell(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopping {
		l.Observe(e)
	}
}

// generate makes code from .proto files that have changed, and reports whether to go on.
func (l *reloader) generate(ctx context.Context, batch watch.Batch) bool {
	var files []string
	for _, path := range batch.Paths {
		if filepath.Ext(path) == ".proto" && l.Generate != nil {
			files = append(files, path)
		}
	}
	if len(files) == 0 {
		return true
	}
	if err := l.Generate(ctx, files); err != nil {
		if ctx.Err() == nil {
			l.broken = true
			l.tell(Event{Kind: Broken, Err: err, Files: files})
		}
		return false
	}
	if l.broken {
		l.broken = false
		l.tell(Event{Kind: Unchanged, Files: files})
	}
	return true
}

// affected returns the services that changes are part of, with the files that are, and whether what the services are
// made of may have changed too.
func (l *reloader) affected(batch watch.Batch) (services []*running, files []string, renew bool) {
	affected := make(map[string]bool)
	for _, path := range batch.Paths {
		names, known := []string(nil), true
		if l.graph != nil {
			names, known = l.graph.Affected(path)
		}
		if !known { // a package that was missing may be there now
			names = slices.Collect(maps.Keys(l.failed))
		}
		if len(names) == 0 {
			continue
		}
		renew = l.reshaped(path) || renew
		files = append(files, path)
		for _, name := range names {
			affected[name] = true
		}
	}
	for _, s := range l.services {
		if affected[s.Name] || batch.Lost {
			services = append(services, s)
		}
	}
	return services, files, renew || batch.Lost
}

// reshaped reports whether a file may have changed what its package is made of: any but a Go file that has the imports
// and embedded files which it had before.
func (l *reloader) reshaped(path string) bool {
	shape := shapeOf(path)
	before, known := l.shapes[path]
	if len(l.shapes) > watch.MaxFolders {
		clear(l.shapes)
	}
	l.shapes[path] = shape
	return !known || shape == "" || shape != before
}

// shapeOf returns the imports and directives of a Go file, "" when it is none that can be read.
func shapeOf(path string) string {
	if info, err := os.Stat(path); err != nil || info.Size() > maxSource || filepath.Ext(path) != ".go" {
		return ""
	}
	text, err := os.ReadFile(path) //nolint:gosec // a file of the workspace
	if err != nil {
		return ""
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
	if err != nil {
		return ""
	}
	var shape strings.Builder
	shape.WriteString("package " + file.Name.Name + "\n")
	for _, spec := range file.Imports {
		shape.WriteString(spec.Path.Value + "\n")
	}
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("//go:")) {
			shape.Write(line)
		}
	}
	return shape.String()
}

// replaceable returns those of the services that are to be replaced now, and says of the others why not.
func (l *reloader) replaceable(services []*running, files []string) []*running {
	l.mu.Lock()
	defer l.mu.Unlock()
	var now []*running
	for _, s := range services {
		switch {
		case l.stopping:
		case s.Oneshot:
			l.Observe(Event{Kind: Unapplied, Names: []string{s.Name}, Files: files, Reason: "it is a one-shot program: panda restart " + s.Name + " runs it again"})
		case s.Debugger != nil:
			l.Observe(Event{Kind: Unapplied, Names: []string{s.Name}, Files: files, Reason: "it is being debugged: panda restart " + s.Name + " when you are done"})
		case s.upgrading():
			l.Observe(Event{Kind: Unapplied, Names: []string{s.Name}, Files: files, Reason: "it is being upgraded: save again, or panda restart " + s.Name + ", when that is done"})
		case s.attached != nil, s.stopped: // it is built when it is started again
		default: // one that waits for others is to start with what is there now
			now = append(now, s)
		}
	}
	return now
}

// update builds the services and replaces those that come out different.
func (l *reloader) update(ctx context.Context, services []*running, files []string, began time.Time) {
	names := make([]string, len(services))
	plain := make([]*Service, len(services))
	for at, s := range services {
		names[at], plain[at] = s.Name, s.Service
	}
	l.tell(Event{Kind: Changed, Names: names, Files: files})
	built, err := l.rebuild(ctx, services)
	defer built.discard()
	broken, ok := l.failures(err, plain)
	if !ok {
		return
	}
	var different []*running
	var same []string
	for _, s := range services {
		switch {
		case broken[s.source()]:
			continue
		case l.same(s, built.of(s)) && l.runs(s):
			same = append(same, s.Name)
		default:
			different = append(different, s)
		}
		delete(l.failed, s.Name)
	}
	if len(same) > 0 {
		l.tell(Event{Kind: Unchanged, Names: same, Took: time.Since(began)})
	}
	_ = each(ctx, different, func(s *running) error { return l.replaceWith(ctx, s, built.of(s), began) }) // it was told
}

// runs reports whether the service has what it is to have, or waits for others to begin.
func (l *reloader) runs(s *running) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(s.instances) > 0 || !s.started
}

// failures tells what does not compile, unless it was told last, and returns what it is. ok is false when there is
// nothing to go on with.
func (l *reloader) failures(err error, services []*Service) (broken map[source]bool, ok bool) {
	if err == nil {
		return nil, true
	}
	all, compiled := errors.AsType[*build.Error](err)
	if !compiled {
		if !errors.Is(err, context.Canceled) {
			l.tell(Event{Kind: Broken, Err: err})
		}
		return nil, false
	}
	broken = make(map[source]bool)
	for _, failure := range all.Failures {
		news := false
		for _, s := range services {
			if slices.Contains(failure.Names, s.Name) {
				broken[s.source()] = true
				news = news || l.failed[s.Name] != failure.Text
				l.failed[s.Name] = failure.Text
			}
		}
		if news {
			l.tell(Event{Kind: Broken, Err: failure, Names: failure.Names})
		}
	}
	return broken, true
}

// replaceWith makes the service run another executable.
func (l *reloader) replaceWith(ctx context.Context, s *running, path string, began time.Time) error {
	l.mu.Lock()
	waits := !s.started
	idle := s.attached != nil || s.stopped
	l.mu.Unlock()
	if idle { // since the build began
		return nil
	}
	before := l.use(s, path)
	if waits {
		l.forgetBinary(before)
		return nil
	}
	empty := !l.runs(s)
	err := l.renew(ctx, s, began)
	if err == nil {
		l.forgetBinary(before)
		return nil
	}
	l.reuse(s, before)
	if empty && ctx.Err() == nil {
		l.tell(Event{Kind: Broken, Names: []string{s.Name}, Err: err})
	}
	return err
}
