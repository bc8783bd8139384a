package breaking

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/gen"
	"github.com/pandakit/panda/internal/cli/protosource"
	"github.com/pandakit/panda/internal/protobuild"
)

// maxSetSize bounds a descriptor set, in bytes.
const maxSetSize = 256 << 20

// stored finds an earlier version in a folder, a descriptor set or a Git repository. What exists is a path; a
// reference of the same name is written as git:REF.
func (c *comparer) stored(ctx context.Context, projects []*protosource.Project) ([]version, error) {
	if reference, forced := strings.CutPrefix(c.against, "git:"); forced {
		return c.inGit(ctx, projects, reference)
	}
	path := c.against
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.env.Dir, path)
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return c.inFolder(ctx, projects, path)
	case err == nil:
		return c.inSet(projects, path)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, command.Usagef("breaking: --against %s: %w", c.against, err)
	case looksLikePath(c.against):
		return nil, command.Usagef("breaking: --against %s: there is no such file or folder", c.against)
	}
	return c.inGit(ctx, projects, c.against)
}

func looksLikePath(text string) bool {
	return strings.HasPrefix(text, ".") || filepath.IsAbs(text) || strings.HasSuffix(text, ".binpb") || strings.HasSuffix(text, ".pb")
}

// inFolder pairs each project with the one at the same place below the folder; one alone with one alone.
func (c *comparer) inFolder(ctx context.Context, projects []*protosource.Project, folder string) ([]version, error) {
	older, err := protosource.Load(ctx, c.env, folder)
	if err != nil {
		return nil, fmt.Errorf("breaking: --against %s: %w", c.against, err)
	}
	var versions []version
	for _, p := range projects {
		before := at(older, p, c.env.Dir, folder)
		if before == nil && len(projects) == 1 && len(older) == 1 {
			before = older[0]
		}
		if before == nil {
			fmt.Fprintf(c.env.Stderr, "note: %s has no .proto files for %s, which is not compared\n", c.against, gen.Shown(c.env, p.Dir))
			continue
		}
		versions = append(versions, version{project: p, before: before.Files, now: p.Files})
	}
	return versions, nil
}

// at returns the project that lies in folder as p lies in dir, or nil.
func at(older []*protosource.Project, p *protosource.Project, dir, folder string) *protosource.Project {
	relative, err := filepath.Rel(dir, p.Dir)
	if err != nil {
		return nil
	}
	for _, o := range older {
		if o.Dir == filepath.Join(folder, relative) {
			return o
		}
	}
	return nil
}

// inSet reads a descriptor set. It may have what the files import, too, which is not compared.
func (c *comparer) inSet(projects []*protosource.Project, path string) ([]version, error) {
	files, err := readSet(path)
	if err != nil {
		return nil, fmt.Errorf("breaking: --against %s: %w", c.against, err)
	}
	var now []protoreflect.FileDescriptor
	for _, p := range projects {
		now = append(now, p.Files...)
	}
	own := withoutStandard(files, now)
	var versions []version
	for _, p := range projects {
		before := own
		if len(projects) > 1 {
			before = onlyOf(own, p)
		}
		versions = append(versions, version{project: p, before: before, now: p.Files})
	}
	return versions, nil
}

// onlyOf returns the files that the project has, too: which project a removed one belonged to is not known.
func onlyOf(files []protoreflect.FileDescriptor, p *protosource.Project) []protoreflect.FileDescriptor {
	var list []protoreflect.FileDescriptor
	for _, file := range files {
		if p.Has(file.Path()) {
			list = append(list, file)
		}
	}
	return list
}

func readSet(path string) ([]protoreflect.FileDescriptor, error) {
	opened, err := os.Open(path) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	raw, err := io.ReadAll(io.LimitReader(opened, maxSetSize+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxSetSize {
		return nil, fmt.Errorf("larger than %d MiB", maxSetSize>>20)
	}
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal(raw, set); err != nil || len(set.GetFile()) == 0 {
		return nil, errors.New("not a descriptor set, as protoc --descriptor_set_out writes it")
	}
	registry, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(set)
	if err != nil {
		return nil, fmt.Errorf("the descriptor set is not valid: %w", err)
	}
	var files []protoreflect.FileDescriptor
	registry.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		files = append(files, file)
		return true
	})
	return files, nil
}

// standard are the folders of files that come with protobuf, and that panda has with it.
var standard = []string{"google/protobuf/", "google/api/", "google/rpc/", "google/type/", "google/longrunning/", "buf/validate/"}

// withoutStandard leaves out files that come with protobuf, unless they are among the current ones.
func withoutStandard(files, now []protoreflect.FileDescriptor) []protoreflect.FileDescriptor {
	current := make(map[string]bool, len(now))
	for _, file := range now {
		current[file.Path()] = true
	}
	var own []protoreflect.FileDescriptor
	for _, file := range files {
		keep := true
		for _, folder := range standard {
			if strings.HasPrefix(file.Path(), folder) && !current[file.Path()] {
				keep = false
			}
		}
		if keep {
			own = append(own, file)
		}
	}
	return own
}

// inGit writes the .proto files of a reference to a temporary folder, compiles them there, and removes it.
func (c *comparer) inGit(ctx context.Context, projects []*protosource.Project, reference string) (versions []version, err error) {
	temporary, err := os.MkdirTemp("", "panda-breaking-")
	if err != nil {
		return nil, fmt.Errorf("breaking: make a folder for the files of %s: %w", reference, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	if temporary, err = filepath.EvalSymlinks(temporary); err != nil {
		return nil, err
	}
	repositories := make(map[string]string) // their copies, by folder
	for _, p := range projects {
		g := &repository{env: c.env, reference: reference}
		if err := g.open(ctx, p.Dir); err != nil {
			return nil, err
		}
		copied, done := repositories[g.folder]
		if !done {
			copied = filepath.Join(temporary, strconv.Itoa(len(repositories)))
			repositories[g.folder] = copied
			if err := g.copy(ctx, copied); err != nil {
				return nil, err
			}
		}
		before, err := c.compileAt(ctx, g, p, copied)
		if err != nil {
			return nil, err
		}
		if before != nil {
			versions = append(versions, version{project: p, before: before, now: p.Files})
		}
	}
	return versions, nil
}

// compileAt compiles the copy of a project; nil when it had no .proto files.
func (c *comparer) compileAt(ctx context.Context, g *repository, p *protosource.Project, copied string) ([]protoreflect.FileDescriptor, error) {
	dir, err := filepath.EvalSymlinks(p.Dir) // as git tells its folder
	if err != nil {
		return nil, err
	}
	relative, err := filepath.Rel(g.folder, dir)
	if err != nil {
		return nil, err
	}
	there := *c.env
	there.Dir = filepath.Join(copied, relative)
	var older []*protosource.Project
	if _, err = os.Stat(there.Dir); err == nil {
		older, err = protosource.Compile(ctx, &there, ".")
	}
	if wrong, ok := errors.AsType[*gen.ProblemsError](err); ok {
		wrong.Write(&there)
		return nil, fmt.Errorf("breaking: the .proto files of %s do not compile: %w", g.reference, wrong)
	}
	_, none := errors.AsType[*protobuild.NoFilesError](err)
	if err != nil && !none && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("breaking: the .proto files of %s: %s", g.reference, strings.ReplaceAll(err.Error(), copied+string(filepath.Separator), ""))
	}
	for _, o := range older {
		if o.Dir == there.Dir {
			return o.Files, nil
		}
	}
	fmt.Fprintf(c.env.Stderr, "note: %s has no .proto files in %s, which is not compared\n", g.reference, gen.Shown(c.env, p.Dir))
	return nil, nil
}
