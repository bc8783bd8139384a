package image

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/cli/command"
	oci "github.com/pandakit/panda/internal/image"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/config"
	"github.com/pandakit/panda/internal/workspace/find"
)

// job is one image to make.
type job struct {
	spec      oci.Spec
	source    oci.Source // its zero value for a program that is compiled already
	service   bool       // it can be asked whether it serves
	reference string
	programs  []oci.Program
}

// maker makes images as the flags say.
type maker struct {
	options

	env      *command.Env
	temp     string
	created  time.Time
	tools    *oci.Toolchain
	chosen   []oci.Platform
	explicit bool // the user has chosen them
}

// defaultPort is what a service listens on in a container.
const defaultPort = "8080"

func load(ctx context.Context, env *command.Env, dir string) (*workspace.Workspace, error) {
	path := filepath.FromSlash(dir)
	if !filepath.IsAbs(path) {
		path = filepath.Join(env.Dir, path)
	}
	return workspace.Load(ctx, []workspace.Folder{{Path: path, Shown: dir}}, env.Environ())
}

// setCreated takes the time that SOURCE_DATE_EPOCH gives, as other tools that build the same twice do.
func (m *maker) setCreated() error {
	text := m.env.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 || seconds > 253402300799 {
		return command.Usagef("image: SOURCE_DATE_EPOCH is %q, want seconds since 1970", text)
	}
	m.created = time.Unix(seconds, 0).UTC()
	return nil
}

// find returns what to make images of, named and specified.
func (m *maker) find(ctx context.Context, args []string) ([]*job, error) {
	if m.binary != "" {
		m.findGo()
		j, err := m.packed(args)
		return []*job{j}, err
	}
	work, err := load(ctx, m.env, m.dir)
	if err != nil {
		return nil, explain(err)
	}
	services, err := choose(work, args)
	if err != nil {
		return nil, err
	}
	if m.name != "" && len(services) > 1 {
		return nil, command.Usagef("image: --name %s: %d services cannot have one name; say which is meant", m.name, len(services))
	}
	if m.dockerfile != "" && len(services) > 1 {
		return nil, command.Usagef("image: --dockerfile: a Dockerfile is of one service; say which of %d", len(services))
	}
	if m.findGo(); m.tools == nil {
		return nil, errors.New("image: the go command is not on PATH; install Go from https://go.dev/dl")
	}
	var jobs []*job
	for _, s := range services {
		j, err := m.job(ctx, s)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// findGo finds the go command; without it there are no time zones and no services.
func (m *maker) findGo() {
	if program, err := exec.LookPath("go"); err == nil {
		m.tools = &oci.Toolchain{Go: program, Environ: m.env.Environ()}
	}
}

// choose returns the services that are named, all when none is.
func choose(work *workspace.Workspace, names []string) ([]*workspace.Service, error) {
	if len(names) == 0 {
		return work.Services, nil
	}
	var services []*workspace.Service
	seen := make(map[string]bool)
	for _, name := range names {
		s := work.Service(name)
		if s == nil {
			return nil, command.Usagef("image: %w", work.Unknown(name))
		}
		if seen[name] {
			return nil, command.Usagef("image: %q is given twice", name)
		}
		seen[name] = true
		services = append(services, s)
	}
	return services, nil
}

// explain tells wrong input from what fails, and what to do about it.
func explain(err error) error {
	if _, ok := errors.AsType[*config.Error](err); ok {
		return command.Advise(command.Usage(err), `see "panda up --help" for what panda.yaml may say`)
	}
	if _, ok := errors.AsType[*find.NoModuleError](err); ok {
		return command.Advise(command.Usage(err), "give the folder of your services: panda image --dir ./folder")
	}
	if wrong, ok := errors.AsType[*workspace.FolderError](err); ok {
		if len(wrong.Programs) > 0 {
			return command.Advise(command.Usage(err), "a main package that is no service has an image when panda.yaml names it: "+strings.Join(wrong.Programs, ", "))
		}
		return command.Usage(err)
	}
	if _, ok := errors.AsType[*workspace.DuplicateError](err); ok {
		return command.Usage(err)
	}
	return err
}

// job specifies the image of a service.
func (m *maker) job(ctx context.Context, s *workspace.Service) (*job, error) {
	j := &job{
		source:  oci.Source{Name: s.Name, Dir: s.Dir, Module: s.Module.Dir, Env: s.Module.Env},
		service: s.Registry != "",
		spec: oci.Spec{
			Name: s.Name, Created: m.created, Source: oci.SourceURL(m.modulePath(ctx, s)),
			Env: m.options.env, Ports: m.expose, Volumes: m.volumes,
		},
	}
	j.spec.Version, j.spec.Revision = m.version(ctx, s.Dir)
	if j.service {
		j.spec.Env = append([]string{"PANDA_ADDR=:" + defaultPort}, j.spec.Env...)
		j.spec.Ports = append([]string{defaultPort}, j.spec.Ports...)
		j.spec.Health = []string{oci.HealthPath}
	}
	return j, m.complete(j)
}

// packed specifies the image of a program that is compiled already.
func (m *maker) packed(args []string) (*job, error) {
	at := m.binary
	if !filepath.IsAbs(at) {
		at = filepath.Join(m.env.Dir, at)
	}
	platform, err := oci.PlatformOf(at)
	if err != nil {
		if wrong, ok := errors.AsType[*oci.ProgramError](err); ok {
			wrong.Path = m.binary
			return nil, wrong
		}
		return nil, command.Usagef("image: --binary %s: %w", m.binary, cause(err))
	}
	last := m.name[strings.LastIndex(m.name, "/")+1:]
	name, tag, _ := strings.Cut(last, ":")
	if m.tag == "" {
		m.tag = tag
	}
	j := &job{
		spec: oci.Spec{
			Name: name, Program: filepath.Base(at), Version: m.tag, Created: m.created, Args: args,
			Env: m.options.env, Ports: m.expose, Volumes: m.volumes,
		},
		programs: []oci.Program{{Platform: platform, Path: at}},
	}
	if m.tag == "" {
		j.spec.Version = "dev"
	}
	return j, m.complete(j)
}

// complete adds what flags say, checks the specification and makes the image's reference.
func (m *maker) complete(j *job) error {
	switch words := strings.Fields(m.health); {
	case m.health == "none":
		j.spec.Health = nil
	case len(words) > 0:
		j.spec.Health = words
	case m.health != "":
		return command.Usagef("image: --health %q has no words", m.health)
	}
	if err := j.spec.Check(); err != nil {
		return command.Usagef("image: %w", err)
	}
	j.reference = m.reference(j)
	if err := oci.CheckReference(j.reference); err != nil {
		return command.Advise(command.Usagef("image: service %s: %w", j.spec.Name, err), "give it another one with --name")
	}
	return nil
}

func (m *maker) reference(j *job) string {
	reference := j.spec.Name
	if m.push != "" {
		reference = m.push + "/" + reference
	}
	if m.name != "" {
		reference = m.name
		if m.push != "" {
			reference = m.push + "/" + m.name
		}
	}
	if last := reference[strings.LastIndex(reference, "/")+1:]; strings.Contains(last, ":") {
		return reference
	}
	return reference + ":" + j.spec.Version
}

// gitTimeout bounds what Git is asked.
const gitTimeout = 10 * time.Second

// version returns the version and, when Git has everything that is there, the revision of what is in a folder.
func (m *maker) version(ctx context.Context, dir string) (version, revision string) {
	described := m.git(ctx, dir, "describe", "--tags", "--always", "--dirty")
	version = m.tag
	if _, tag, found := strings.Cut(m.name[strings.LastIndex(m.name, "/")+1:], ":"); version == "" && found {
		version = tag
	}
	if version == "" {
		version = tagOf(described)
	}
	if described != "" && !strings.HasSuffix(described, "-dirty") {
		revision = m.git(ctx, dir, "rev-parse", "HEAD")
	}
	return version, revision
}

func (m *maker) git(ctx context.Context, dir string, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...) //nolint:gosec // constants
	cmd.Dir, cmd.Env = dir, m.env.Environ()
	out, err := cmd.Output()
	if err != nil {
		return "" // no Git, or nothing of Git's
	}
	return string(bytes.TrimSpace(out))
}

// modulePath returns the path of the module that a service is in, or "".
func (m *maker) modulePath(ctx context.Context, s *workspace.Service) string {
	path, err := m.tools.ModulePath(ctx, oci.Source{Name: s.Name, Module: s.Module.Dir, Env: s.Module.Env})
	if err != nil {
		return "" // the compiler will say what is wrong
	}
	return path
}

const maxTag = 128

var (
	wholeTag = regexp.MustCompile(`^\w[\w.-]{0,127}$`) //nolint:gochecknoglobals // constant
	noTag    = regexp.MustCompile(`[^\w.-]+`)          //nolint:gochecknoglobals // constant
)

func validTag(tag string) bool { return wholeTag.MatchString(tag) }

// tagOf makes a tag of what Git calls a version; without one it is "dev".
func tagOf(version string) string {
	tag := strings.TrimLeft(noTag.ReplaceAllString(version, "-"), ".-")
	if tag == "" {
		return "dev"
	}
	return tag[:min(len(tag), maxTag)]
}
