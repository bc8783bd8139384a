package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/pandakit/panda/internal/nearname"
	"github.com/pandakit/panda/internal/workspace/config"
	"github.com/pandakit/panda/internal/workspace/find"
)

// Folder is a folder to load.
type Folder struct {
	Path  string // absolute
	Shown string // as error texts name it
}

// FolderError says that a folder cannot be loaded as it is.
type FolderError struct {
	Shown  string
	Reason string
	// Programs are main packages in it that are no services, as paths relative to it.
	Programs []string
}

func (e *FolderError) Error() string {
	return fmt.Sprintf("find services in %s: %s", e.Shown, e.Reason)
}

// UnknownServiceError says that no service has a name that was asked for.
type UnknownServiceError struct {
	Name  string
	Known []string
}

func (e *UnknownServiceError) Error() string {
	if near := nearname.Of(e.Name, e.Known); len(near) > 0 {
		return fmt.Sprintf("no service is called %q; near: %s", e.Name, strings.Join(near, ", "))
	}
	return fmt.Sprintf("no service is called %q; there are %s", e.Name, strings.Join(e.Known, ", "))
}

// DuplicateError says that two services cannot be told apart.
type DuplicateError struct{ Name string }

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("two services are called %q; name one of them in %s", e.Name, config.Name)
}

// Load reads the folders: the services found in them and what their panda.yaml say. A service that is
// found and not named in panda.yaml runs as one instance beside those that are. environ is the environment
// of the go command.
//
// What is wrong with the input is a *[FolderError], a *[find.NoModuleError], a *[config.Error] or a
// *[DuplicateError]; any other error is the go command's.
func Load(ctx context.Context, folders []Folder, environ []string) (*Workspace, error) {
	l := loader{ctx: ctx, environ: environ, dirs: make(map[string]bool)}
	for _, folder := range folders {
		if err := l.load(folder); err != nil {
			return nil, err
		}
	}
	l.nameFound()
	if err := l.checkNames(); err != nil {
		return nil, err
	}
	return &Workspace{Services: inOrder(l.services), Folders: l.folders}, nil
}

// loader gathers the services of several folders.
type loader struct {
	ctx      context.Context //nolint:containedctx // of one call
	environ  []string
	services []*Service
	folders  []string
	dirs     map[string]bool // of the services, for folders that overlap
}

func (l *loader) load(folder Folder) error {
	root, err := realFolder(folder)
	if err != nil {
		return err
	}
	l.folders = append(l.folders, root)
	programs, err := find.Programs(l.ctx, root, l.environ)
	if missing, ok := errors.AsType[*find.NoModuleError](err); ok {
		missing.Folder = folder.Shown
	}
	if err != nil {
		return err
	}
	file, err := config.Read(root, folder.Shown)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = new(config.File), nil
	}
	if err != nil {
		return err
	}
	named, err := l.named(root, file, programs)
	if err != nil {
		return err
	}
	found := l.found(programs, named)
	if len(named)+len(found) == 0 {
		return nothingIn(folder, root, programs)
	}
	for _, s := range slices.Concat(named, found) {
		if !l.dirs[s.Dir] || s.file != nil {
			l.services = append(l.services, s)
		}
	}
	for _, s := range l.services {
		l.dirs[s.Dir] = true
	}
	return nil
}

func realFolder(folder Folder) (string, error) {
	root, err := filepath.EvalSymlinks(folder.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", &FolderError{Shown: folder.Shown, Reason: "there is no such folder"}
	}
	if err != nil {
		return "", &FolderError{Shown: folder.Shown, Reason: err.Error()}
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return "", &FolderError{Shown: folder.Shown, Reason: "it is not a folder"}
	}
	return root, nil
}

func nothingIn(folder Folder, root string, programs []find.Program) error {
	e := &FolderError{Shown: folder.Shown, Reason: "it has no main package that calls panda.NewService"}
	for _, p := range programs {
		if relative, err := filepath.Rel(root, p.Dir); err == nil {
			e.Programs = append(e.Programs, filepath.ToSlash(relative))
		}
	}
	return e
}

// named returns the services that the file names, checked against what is there.
func (l *loader) named(root string, file *config.File, programs []find.Program) ([]*Service, error) {
	var services []*Service
	for i := range file.Services {
		entry := &file.Services[i]
		program, err := l.program(root, file, entry, programs)
		if err != nil {
			return nil, err
		}
		services = append(services, &Service{
			Name: entry.Name, Dir: program.Dir, Module: program.Module, Registry: program.Service,
			Replicas: entry.Replicas, Env: entry.Env, Args: entry.Args, Oneshot: entry.Oneshot,
			file: file, pos: entry.Pos,
		})
	}
	found := l.found(programs, services)
	for i := range file.Services {
		for _, after := range file.Services[i].After {
			if !hasName(services, after.Name) && !hasName(found, after.Name) {
				unknown := &UnknownServiceError{after.Name, append(namesOf(services), namesOf(found)...)}
				return nil, file.Errorf(after.Pos, "after: %v", unknown)
			}
			services[i].After = append(services[i].After, after.Name)
		}
	}
	return services, nil
}

// program returns the one that an entry means: by its path, or the one found under its name.
func (l *loader) program(root string, file *config.File, entry *config.Service, programs []find.Program) (*find.Program, error) {
	if entry.Path == "" {
		for i := range programs {
			if programs[i].Service == entry.Name {
				return &programs[i], nil
			}
		}
	}
	dir, err := file.Folder(root, entry)
	if err != nil {
		return nil, err
	}
	inDir := func(p find.Program) bool { return p.Dir == dir }
	if at := slices.IndexFunc(programs, inDir); at >= 0 {
		return &programs[at], nil
	}
	hidden, err := find.Programs(l.ctx, dir, l.environ) // such as one below testdata
	if err != nil && l.ctx.Err() != nil {
		return nil, err
	}
	if at := slices.IndexFunc(hidden, inDir); at >= 0 {
		return &hidden[at], nil
	}
	return nil, file.Errorf(entry.PathPos, "service %q: its folder has no main package", entry.Name)
}

// found returns the services among the programs that none of named runs already.
func (l *loader) found(programs []find.Program, named []*Service) []*Service {
	var services []*Service
	for _, p := range programs {
		taken := slices.ContainsFunc(named, func(s *Service) bool { return s.Dir == p.Dir })
		if p.Service != "" && !taken {
			services = append(services, &Service{
				Name: plainName(p.Service), Dir: p.Dir, Module: p.Module, Registry: p.Service, Replicas: 1,
			})
		}
	}
	return services
}

// plainName makes a name that can be part of a file's name and of a log line.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.", r) {
			return r
		}
		return '-'
	}, strings.TrimLeft(name, "."))
}

// nameFound tells services apart that were found under one name, such as two versions of a service, by the
// names of their folders: as many of them from the end as it takes.
func (l *loader) nameFound() {
	same := make(map[string][]*Service)
	for _, s := range l.services {
		if s.file == nil {
			same[s.Name] = append(same[s.Name], s)
		}
	}
	for _, services := range same {
		for depth := 1; !distinct(services) && depth <= maxFolderNames; depth++ {
			for _, s := range services {
				s.Name = lastFolders(s.Dir, depth)
			}
		}
	}
}

// maxFolderNames bounds how long a name made of folders gets.
const maxFolderNames = 8

func distinct(services []*Service) bool {
	names := namesOf(services)
	slices.Sort(names)
	return len(slices.Compact(names)) == len(services)
}

// lastFolders joins the names of the last n folders of a path.
func lastFolders(dir string, n int) string {
	parts := strings.Split(filepath.ToSlash(dir), "/")
	return plainName(strings.Join(parts[max(len(parts)-n, 0):], "-"))
}

// checkNames refuses a name that is there twice, where panda.yaml gives it if it does.
func (l *loader) checkNames() error {
	known := make(map[string]*Service)
	for _, s := range l.services {
		other := known[s.Name]
		if other == nil {
			known[s.Name] = s
			continue
		}
		if s.file == nil {
			s, other = other, s
		}
		if s.file == nil {
			return &DuplicateError{s.Name}
		}
		return s.file.Errorf(s.pos, "service %q: the one in %s has this name too", s.Name, other.Dir)
	}
	return nil
}

func hasName(services []*Service, name string) bool {
	return slices.ContainsFunc(services, func(s *Service) bool { return s.Name == name })
}

func namesOf(services []*Service) []string {
	var names []string
	for _, s := range services {
		names = append(names, s.Name)
	}
	return names
}

// inOrder puts each service behind those it waits for, and otherwise keeps the order. There is no cycle.
func inOrder(services []*Service) []*Service {
	var ordered []*Service
	placed := make(map[string]bool)
	var place func(s *Service)
	place = func(s *Service) {
		if placed[s.Name] {
			return
		}
		placed[s.Name] = true
		for _, other := range services {
			if slices.Contains(s.After, other.Name) {
				place(other)
			}
		}
		ordered = append(ordered, s)
	}
	for _, s := range services {
		place(s)
	}
	return ordered
}
