// Package watch tells which files in a set of folders have been saved, in batches: editors write a file several times,
// rename another over it, and have it formatted. It knows nothing of what the files are for, and changes none.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A batch is complete when nothing has changed for Quiet, or after Longest if files go on changing.
const (
	Quiet   = 80 * time.Millisecond
	Longest = time.Second
)

// maxPaths bounds how many paths a batch has; one with more says that anything may have changed.
const maxPaths = 10_000

// MaxFolders bounds how many folders one watcher watches.
const MaxFolders = 4000

// LimitError says that no more folders can be watched.
type LimitError struct {
	Folder string
	Count  int   // of those that are watched
	Err    error // the system's; nil when it is our own limit
}

func (e *LimitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("watch %s: %d folders are watched already, which is the most", e.Folder, e.Count)
	}
	return fmt.Sprintf("watch %s: the system lets no more folders be watched (%v) after %d; raise its limits: on Linux with "+
		"sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512, elsewhere with ulimit -n", e.Folder, e.Err, e.Count)
}

// Batch is what has been saved, created, renamed or removed since the batch before.
type Batch struct {
	Paths []string  // sorted
	First time.Time // when the first change was seen
	// Lost is set when the system has lost track: anything may have changed.
	Lost bool
}

// Watcher watches folders, without those below them. A folder that appears in one of them is watched too. Its
// methods may be called from several goroutines.
type Watcher struct {
	system  *fsnotify.Watcher
	skipped func(name string) bool
	batches chan Batch

	mu      sync.Mutex
	folders map[string]bool
	failed  func(error)
}

// New returns a watcher of nothing yet, to be run by [Watcher.Run] or closed. skipped tells from its name that a new
// folder is not to be watched. failed is told why a new folder could not be.
func New(skipped func(name string) bool, failed func(error)) (*Watcher, error) {
	system, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, &LimitError{"files", 0, err}
	}
	return &Watcher{
		system: system, skipped: skipped, failed: failed, batches: make(chan Batch), folders: make(map[string]bool),
	}, nil
}

// Batches is where batches come; while nobody takes one, what changes is added to it.
func (w *Watcher) Batches() <-chan Batch { return w.batches }

// Close ends the watching.
func (w *Watcher) Close() { _ = w.system.Close() } // there is nothing to lose

// Add watches more folders and returns those that were not watched before. A folder that is gone is left out. The error
// is a *[LimitError].
func (w *Watcher) Add(folders []string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var added []string
	for _, folder := range folders {
		if w.folders[folder] {
			continue
		}
		if len(w.folders) >= MaxFolders {
			return added, &LimitError{folder, len(w.folders), nil}
		}
		err := w.system.Add(folder)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fsnotify.ErrClosed) {
			continue
		}
		if err != nil {
			return added, &LimitError{folder, len(w.folders), err}
		}
		w.folders[folder] = true
		added = append(added, folder)
	}
	return added, nil
}

// Run gathers changes until ctx is done.
func (w *Watcher) Run(ctx context.Context) {
	changes := make(chan change)
	var gathering sync.WaitGroup
	gathering.Go(func() { gather(ctx, changes, w.batches) })
	defer gathering.Wait()
	for {
		var all []change
		select {
		case <-ctx.Done():
			return
		case event, open := <-w.system.Events:
			if !open {
				<-ctx.Done()
				return
			}
			all = w.changes(event)
		case err, open := <-w.system.Errors:
			if open && errors.Is(err, fsnotify.ErrEventOverflow) {
				all = []change{{lost: true}}
			}
		}
		for _, c := range all {
			select {
			case changes <- c:
			case <-ctx.Done():
				return
			}
		}
	}
}

// change is one path that has changed.
type change struct {
	path string
	lost bool
}

// changes returns what an event tells, which is more than one path when a folder has appeared.
func (w *Watcher) changes(event fsnotify.Event) []change {
	if event.Op == fsnotify.Chmod || passing(filepath.Base(event.Name)) {
		return nil
	}
	if event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename) {
		w.mu.Lock()
		delete(w.folders, event.Name) // if it was one, the system does not watch it any more
		w.mu.Unlock()
	}
	if event.Has(fsnotify.Create) {
		if info, err := os.Lstat(event.Name); err == nil && info.IsDir() {
			return w.appeared(event.Name)
		}
	}
	return []change{{path: event.Name}}
}

// passing reports whether a file of that name is an editor's own, which comes and goes.
func passing(base string) bool {
	return strings.HasPrefix(base, ".") || strings.HasPrefix(base, "#") || strings.HasSuffix(base, "~") ||
		slices.Contains([]string{".swp", ".swx", ".tmp", ".bak"}, filepath.Ext(base))
}

// appeared watches a new folder and those below it, and returns the files that are in them already.
func (w *Watcher) appeared(root string) []change {
	if w.skipped(filepath.Base(root)) {
		return nil
	}
	var all []change
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // it went away again
		case !entry.IsDir():
			if !passing(entry.Name()) {
				all = append(all, change{path: path})
			}
			return nil
		case path != root && w.skipped(entry.Name()):
			return fs.SkipDir
		}
		if _, err := w.Add([]string{path}); err != nil {
			w.failed(err)
			return fs.SkipAll
		}
		return nil
	})
	return all
}

// gather makes batches of changes. While a batch is not taken it grows.
func gather(ctx context.Context, changes <-chan change, batches chan<- Batch) {
	var (
		paths = make(map[string]bool)
		batch Batch
		ready chan<- Batch // batches once the batch is complete
	)
	quiet := time.NewTimer(Quiet)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-changes:
			now := time.Now()
			if batch.First.IsZero() {
				batch.First = now
			}
			if c.lost || len(paths) >= maxPaths {
				batch.Lost = true
			} else {
				paths[c.path] = true
			}
			ready = nil
			quiet.Reset(max(0, min(Quiet, Longest-now.Sub(batch.First))))
		case <-quiet.C:
			batch.Paths, ready = slices.Sorted(maps.Keys(paths)), batches
		case ready <- batch:
			paths, batch, ready = make(map[string]bool), Batch{}, nil
		}
	}
}
