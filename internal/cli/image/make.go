package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pandakit/panda/internal/cli/command"
	oci "github.com/pandakit/panda/internal/image"
)

// The go command uses all processors for one build; more at once only help while one of them links.
const (
	minParallel = 2
	maxParallel = 4
)

// choosePlatforms takes those that the user names, else what the destination is made for.
func (m *maker) choosePlatforms(to destination) error {
	for _, text := range m.platforms {
		p, err := oci.ParsePlatform(text)
		if err != nil {
			return command.Usagef("image: --platform: %w", err)
		}
		if slices.Contains(m.chosen, p) {
			return command.Usagef("image: --platform: %s is given twice", p)
		}
		m.chosen = append(m.chosen, p)
	}
	m.explicit = len(m.chosen) > 0
	if !m.explicit {
		m.chosen = to.platforms()
	}
	if one := to.one(); one != "" && len(m.chosen) > 1 {
		return command.Usagef("image: %s has room for one platform, not for %d; give one --platform", one, len(m.chosen))
	}
	return nil
}

// compile compiles the programs of all jobs, several at once, and reports all that do not compile.
func (m *maker) compile(ctx context.Context, jobs []*job) error {
	if m.binary != "" {
		return m.checkBinary(ctx, jobs[0])
	}
	if err := m.tell(ctx, jobs); err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(min(max(runtime.NumCPU(), minParallel), maxParallel))
	health := make([]string, len(m.chosen))
	errs := make([]error, len(jobs)*len(m.chosen)+len(m.chosen))
	for at, p := range m.chosen {
		if slices.ContainsFunc(jobs, func(j *job) bool { return j.asked() }) {
			health[at] = filepath.Join(m.temp, "health-"+strconv.Itoa(at))
			group.Go(func() error {
				errs[len(errs)-1-at] = m.tools.CompileHealth(ctx, p, health[at])
				return nil
			})
		}
	}
	for n, j := range jobs {
		j.programs = make([]oci.Program, len(m.chosen))
		for at, p := range m.chosen {
			program := oci.Program{Platform: p, Path: filepath.Join(m.temp, fmt.Sprintf("program-%d-%d", n, at))}
			if j.asked() {
				program.Health = health[at]
			}
			j.programs[at] = program
			group.Go(func() error {
				errs[n*len(m.chosen)+at] = m.tools.Compile(ctx, j.source, p, program.Path)
				return nil
			})
		}
	}
	_ = group.Wait() // the errors are in errs
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return m.compileError(errs)
}

// asked reports whether the image needs a program that asks whether it is well.
func (j *job) asked() bool { return slices.Equal(j.spec.Health, []string{oci.HealthPath}) }

// compileError makes one error of those of several programs and platforms, each text once.
func (m *maker) compileError(errs []error) error {
	var texts []string
	for _, err := range errs {
		failure, ok := errors.AsType[*oci.CompileError](err)
		switch {
		case err == nil:
		case !ok:
			return err
		case !slices.Contains(texts, failure.Error()):
			texts = append(texts, failure.Error())
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return errors.New("image: " + strings.Join(texts, "\n"))
}

// tell says what is done, and what makes it differ from what others would get.
func (m *maker) tell(ctx context.Context, jobs []*job) error {
	var names, platforms, notes []string
	for _, j := range jobs {
		names = append(names, j.spec.Name)
		found, err := m.tools.Notes(ctx, j.source)
		if err != nil {
			return err
		}
		for _, note := range found {
			if !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
	}
	for _, p := range m.chosen {
		platforms = append(platforms, p.String())
	}
	fmt.Fprintf(m.env.Stderr, "compiling %s for %s\n", strings.Join(names, ", "), strings.Join(platforms, ", "))
	for _, note := range notes {
		fmt.Fprintf(m.env.Stderr, "note: %s is set, which makes another program than without it\n", note)
	}
	return nil
}

// checkBinary makes sure that a program that is compiled already is for the platform that is asked for.
func (m *maker) checkBinary(_ context.Context, j *job) error {
	have := j.programs[0].Platform
	if !m.explicit {
		m.chosen = []oci.Platform{have}
		return nil
	}
	if len(m.chosen) > 1 {
		return command.Usagef("image: --binary is one program, for %s, not for %d platforms", have, len(m.chosen))
	}
	if m.chosen[0].Arch != have.Arch {
		return fmt.Errorf("image: %w", &oci.ProgramError{Path: m.binary, Reason: fmt.Sprintf("it is for %s, not for %s", have, m.chosen[0])})
	}
	j.programs[0].Platform = m.chosen[0]
	return nil
}

// pack packs what is compiled, each image in a folder of its own.
func (m *maker) pack(ctx context.Context, jobs []*job) ([]oci.Named, error) {
	var images []oci.Named
	for n, j := range jobs {
		dir := filepath.Join(m.temp, "image-"+strconv.Itoa(n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
		zones, err := m.zones(ctx, j)
		if err != nil {
			return nil, err
		}
		packed, err := oci.Pack(ctx, j.spec, j.programs, zones, dir)
		if wrong, ok := errors.AsType[*oci.ProgramError](err); ok && m.binary == "" {
			wrong.Path = j.spec.Name
		}
		if err != nil {
			return nil, err
		}
		images = append(images, oci.Named{Image: packed, Reference: j.reference})
	}
	return images, nil
}

// zones finds the time zones of the Go release in use. An image without them is told of, since programs that name a
// zone fail in it.
func (m *maker) zones(ctx context.Context, j *job) (string, error) {
	missing := "there is no go command to take them from"
	if m.tools != nil {
		dir := j.source.Module
		if dir == "" {
			dir = m.env.Dir
		}
		zones, err := m.tools.Zones(ctx, dir)
		if err != nil || zones != "" {
			return zones, err
		}
		missing = "this Go has no lib/time/zoneinfo.zip"
	}
	fmt.Fprintf(m.env.Stderr, "note: %s has no time zones: %s\n", j.spec.Name, missing)
	return "", nil
}

// writeDockerfile writes the Dockerfile of a service.
func (m *maker) writeDockerfile(ctx context.Context, j *job) error {
	dir, err := m.tools.BuildContext(ctx, j.source)
	if err != nil {
		return err
	}
	text, err := m.tools.Dockerfile(ctx, j.spec, j.source)
	if err != nil {
		return err
	}
	shown := dir
	if relative, err := filepath.Rel(m.env.Dir, dir); err == nil {
		shown = relative
	}
	if m.dockerfile == "-" {
		_, err := io.WriteString(m.env.Stdout, text)
		return err
	}
	if err := oci.WriteFile(m.inDir(m.dockerfile), func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(m.env.Stdout, "wrote %s; build it with: docker build -f %s -t %s %s\n", m.dockerfile, m.dockerfile, j.reference, shown)
	return err
}

func (m *maker) inDir(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(m.env.Dir, path)
}

// cause strips the path that the text around it names already.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
