// Package docs is "panda docs": pages in Markdown and OpenAPI 3.1 from .proto files. What they say is made by
// internal/protobuild/document; this package finds the files, and writes or compares.
package docs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/protosource"
	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/document"
)

const long = `Document the services, messages and enums of the .proto files at and below each PATH, the
current folder by default: as a page of Markdown, or as OpenAPI 3.1 for other tools.

Comments become text. In OpenAPI a method is called as its option google.api.http says, and
one without by POST to /package.Service/Method, as the Connect protocol does. What JSON looks
like is protobuf's JSON form. Fields are required, read-only or write-only as the option
google.api.field_behavior says. The same files give the same bytes.

Exit codes: 0 done, 1 failed, 2 wrong usage or panda.yaml, 3 --check found a stale file.`

const example = `  panda docs --out docs/api.md
  panda docs --out docs/openapi.yaml          # OpenAPI, by the ending: .yaml, .yml or .json
  panda docs --format openapi proto/acme      # to standard output, as JSON
  panda docs --out docs/api.md --check        # in CI: is the page up to date?`

const (
	markdown = "markdown"
	openapi  = "openapi"
)

// writer is one run of the command.
type writer struct {
	env     *command.Env
	format  string
	out     string
	check   bool
	options document.Options
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	w := &writer{env: env}
	cmd := &cobra.Command{
		Use:     "docs [PATH…]",
		Short:   "Document .proto files as Markdown or OpenAPI",
		Long:    long,
		Example: example,
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.run(cmd.Context(), args)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"proto"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&w.format, "format", "", "write `markdown or openapi`; by the ending of --out when it is not given, else markdown")
	flags.StringVar(&w.out, "out", "", "write to this `file` instead of standard output")
	flags.BoolVar(&w.check, "check", false, "write nothing, and exit with 3 if the file of --out is not up to date")
	flags.StringVar(&w.options.Title, "title", "", "the `title`; the names of the packages when it is not given")
	flags.StringVar(&w.options.Version, "api-version", "", "the `version` that OpenAPI has; that of the packages when it is not given")
	return cmd
}

func (w *writer) run(ctx context.Context, paths []string) error {
	encoding, err := w.settle()
	if err != nil {
		return err
	}
	projects, err := protosource.Load(ctx, w.env, paths...)
	if err != nil {
		if _, none := errors.AsType[*protobuild.NoFilesError](err); none {
			err = command.Advise(err, "give the folder that has them: panda docs ./folder")
		}
		return err
	}
	text, err := w.make(projects, encoding)
	switch {
	case err != nil:
		return err
	case w.check:
		return w.compare(text)
	case w.out == "":
		_, err := w.env.Stdout.Write(text)
		return err
	}
	return w.write(text)
}

// settle finds the format and the encoding from the flags, and what is wrong with them.
func (w *writer) settle() (document.Encoding, error) {
	encoding, byEnding := document.JSON, markdown
	switch strings.ToLower(filepath.Ext(w.out)) {
	case ".json":
		byEnding = openapi
	case ".yaml", ".yml":
		encoding, byEnding = document.YAML, openapi
	}
	if w.format == "" {
		w.format = byEnding
	}
	switch {
	case w.format != markdown && w.format != openapi:
		return 0, command.Usagef("docs: --format %q: want %s or %s", w.format, markdown, openapi)
	case w.out != "" && w.format == openapi && byEnding != openapi:
		return 0, command.Usagef("docs: --out %s: the name of an OpenAPI file ends in .json, .yaml or .yml", w.out)
	case w.out != "" && w.format == markdown && byEnding == openapi:
		return 0, command.Usagef("docs: --out %s: the name of a Markdown file ends in .md", w.out)
	case w.check && w.out == "":
		return 0, command.Usagef("docs: --check compares with the file of --out, which is not given")
	}
	return encoding, nil
}

func (w *writer) make(projects []*protosource.Project, encoding document.Encoding) ([]byte, error) {
	var files []protoreflect.FileDescriptor
	owner := make(map[string]*protosource.Project)
	for _, p := range projects {
		for _, file := range p.WantedFiles() {
			if other := owner[file.Path()]; other != nil {
				return nil, command.Usagef("docs: both %s and %s have %s; document one of them", other.Dir, p.Dir, file.Path())
			}
			owner[file.Path()] = p
			files = append(files, file)
		}
	}
	if w.format == markdown {
		return document.Markdown(files, w.options), nil
	}
	text, err := document.OpenAPI(files, w.options, encoding)
	if wrong, ok := errors.AsType[*document.HTTPError](err); ok {
		return nil, fmt.Errorf("%v: %s", owner[wrong.Place.Path].Shown(wrong.Place), wrong.Text)
	}
	return text, err
}

func (w *writer) path() string {
	if filepath.IsAbs(w.out) {
		return w.out
	}
	return filepath.Join(w.env.Dir, w.out)
}

// compare tells whether the file has text in it.
func (w *writer) compare(text []byte) error {
	have, err := os.ReadFile(w.path())
	state := "is stale"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		state = "does not exist"
	case err != nil:
		return fmt.Errorf("docs: %w", err)
	case bytes.Equal(have, text):
		fmt.Fprintln(w.env.Stdout, "up to date:", w.out)
		return nil
	}
	return command.Advise(command.Findings(fmt.Errorf("docs: %s %s", w.out, state)), "bring it up to date with the same command without --check")
}

// write puts text into the file, in one step, and leaves one that has it already as it is.
func (w *writer) write(text []byte) (err error) {
	if have, err := os.ReadFile(w.path()); err == nil && bytes.Equal(have, text) {
		fmt.Fprintln(w.env.Stdout, "up to date:", w.out)
		return nil
	}
	folder := filepath.Dir(w.path())
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // what is written is for others to read
		return fmt.Errorf("docs: %w", err)
	}
	temporary, err := os.CreateTemp(folder, ".panda-docs-*")
	if err != nil {
		return fmt.Errorf("docs: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary.Name()))
		}
	}()
	_, err = temporary.Write(text)
	if err == nil {
		err = temporary.Chmod(0o644)
	}
	if closing := temporary.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(temporary.Name(), w.path())
	}
	if err != nil {
		return fmt.Errorf("docs: write %s: %w", w.out, err)
	}
	fmt.Fprintln(w.env.Stdout, "wrote", w.out)
	return nil
}
