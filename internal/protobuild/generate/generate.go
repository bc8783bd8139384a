// Package generate runs code generators on compiled .proto files and writes what they answer. Generators are
// protoc's plugins, which get a request on standard input and answer on standard output, or protoc itself for the
// languages that are built into it.
//
// Generating writes nothing: [Generate] returns the files, and [Write] puts them in place, all or none. It never
// looks at the environment of this process; a [Runner] carries the one that plugins get.
package generate

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/bufbuild/protocompile/options"

	"github.com/pandakit/panda/internal/protobuild"
)

// Target is one generator and where its files go.
type Target struct {
	// Plugin is a name as in --NAME_out: "go", "go-grpc", "es", "python". It is looked for among the tools of
	// go.mod, in node_modules/.bin, on PATH, and last in protoc itself. A name with a slash is the path of a
	// plugin, relative to Source.Dir.
	Plugin string

	// Out is the folder that the plugin's files are relative to, relative to Source.Dir with slashes. "" is
	// Source.Dir; for Go plugins it is the folder that go_package says, if that is in the module, else that of the .proto file.
	Out string

	// Options go to the plugin as they are, but for paths= and module= of Go plugins, which are decided here.
	Options []string

	// Only are the files to generate for; all of the source when nil.
	Only []string
}

// Output is a generated file.
type Output struct {
	Path    string // relative to Source.Dir, with slashes
	Content []byte
}

// Generate runs the targets one after the other and returns their files, sorted by path. The same input gives the
// same bytes as long as the plugins do. Two files of one path, and a path that leads out of Source.Dir, are errors;
// so is a plugin that is missing, hangs, crashes or answers what is no answer, with what it said on standard error.
// It may be called several times at once with one Compiled.
func Generate(ctx context.Context, c *protobuild.Compiled, targets []Target, run Runner) ([]Output, error) {
	g := &generation{
		compiled: c, run: run, set: c.DescriptorSet(),
		files: map[string]*file{}, modules: map[string]*module{},
	}
	for _, target := range targets {
		if err := g.target(ctx, target); err != nil {
			return nil, err
		}
	}
	outputs := make([]Output, 0, len(g.files))
	for name, f := range g.files {
		outputs = append(outputs, Output{name, f.content})
	}
	slices.SortFunc(outputs, func(a, b Output) int { return strings.Compare(a.Path, b.Path) })
	return outputs, nil
}

// generation is the state of one call of Generate.
type generation struct {
	compiled *protobuild.Compiled
	run      Runner
	set      *descriptorpb.FileDescriptorSet
	files    map[string]*file
	modules  map[string]*module // by folder
	told     []string           // notes
}

// file is what has been generated for one path.
type file struct {
	content []byte
	plugin  string
}

// serviceOnly are plugins that have nothing to do where no file has a service.
var serviceOnly = []string{"go-grpc", "connect-go", "grpc-gateway"}

func (g *generation) target(ctx context.Context, t Target) error {
	if !filepath.IsLocal(filepath.FromSlash(t.Out)) && t.Out != "" || strings.Contains(t.Out, `\`) {
		return fmt.Errorf("generate with %s: the folder %q leads out of %s", t.Plugin, t.Out, g.compiled.Source.Dir)
	}
	names, err := g.selected(t)
	if err != nil || len(names) == 0 {
		return err
	}
	base := path.Clean(t.Out)
	parameters := t.Options
	if isGo(t.Plugin) {
		plan, err := g.planGo(ctx, t)
		if err != nil {
			return fmt.Errorf("generate with %s: %w", t.Plugin, err)
		}
		base, parameters = plan.base, plan.parameters
	}
	tool, err := g.find(ctx, t.Plugin, base)
	if err != nil {
		return err
	}
	if tool.builtin != "" {
		outputs, err := g.protoc(ctx, tool, names, parameters)
		if err != nil {
			return err
		}
		return g.add(t.Plugin, base, outputs)
	}
	answer, err := g.run.plugin(ctx, t.Plugin, tool, g.compiled.Source.Dir, g.request(names, parameters))
	if err != nil {
		return err
	}
	if err := g.supported(t.Plugin, answer, names); err != nil {
		return err
	}
	return g.add(t.Plugin, base, answer.GetFile())
}

// selected returns the names of the files that the target is for, in the order of the source.
func (g *generation) selected(t Target) ([]string, error) {
	var names []string
	for _, fd := range g.compiled.Files {
		if t.Only != nil && !slices.Contains(t.Only, fd.Path()) {
			continue
		}
		names = append(names, fd.Path())
	}
	for _, name := range t.Only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("generate with %s: %q is not a file of the source", t.Plugin, name)
		}
	}
	if slices.Contains(serviceOnly, t.Plugin) && !slices.ContainsFunc(g.compiled.Files, func(fd fileDescriptor) bool {
		return slices.Contains(names, fd.Path()) && fd.Services().Len() > 0
	}) {
		return nil, nil
	}
	return names, nil
}

// request is what protoc would send: options that are for the source alone are left out of proto_file, and kept
// in source_file_descriptors.
func (g *generation) request(names, parameters []string) *pluginpb.CodeGeneratorRequest {
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: names}
	if len(parameters) > 0 {
		request.Parameter = proto.String(strings.Join(parameters, ","))
	}
	for _, fd := range g.set.GetFile() {
		if !slices.Contains(names, fd.GetName()) {
			request.ProtoFile = append(request.ProtoFile, fd)
			continue
		}
		request.SourceFileDescriptors = append(request.SourceFileDescriptors, fd)
		stripped, err := options.StripSourceRetentionOptionsFromFile(fd)
		if err != nil {
			stripped = fd // it has an option that cannot be read here, so none that is known to be the source's
		}
		request.ProtoFile = append(request.ProtoFile, stripped)
	}
	return request
}

// supported checks that the plugin knows what the files use.
func (g *generation) supported(plugin string, answer *pluginpb.CodeGeneratorResponse, names []string) error {
	features := answer.GetSupportedFeatures()
	for _, fd := range g.set.GetFile() {
		if !slices.Contains(names, fd.GetName()) {
			continue
		}
		if features&uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL) == 0 && hasProto3Optional(fd) {
			return fmt.Errorf("generate with %s: %s has an optional field of proto3, which this plugin does not support; use a newer one",
				plugin, fd.GetName())
		}
		if fd.GetSyntax() != "editions" {
			continue
		}
		edition := int32(fd.GetEdition())
		switch {
		case features&uint64(pluginpb.CodeGeneratorResponse_FEATURE_SUPPORTS_EDITIONS) == 0:
			return fmt.Errorf("generate with %s: %s has an edition, which this plugin does not support; use a newer one",
				plugin, fd.GetName())
		case edition < answer.GetMinimumEdition() || edition > answer.GetMaximumEdition():
			return fmt.Errorf("generate with %s: %s is of edition %s, which this plugin does not support",
				plugin, fd.GetName(), strings.TrimPrefix(fd.GetEdition().String(), "EDITION_"))
		}
	}
	return nil
}

func hasProto3Optional(fd *descriptorpb.FileDescriptorProto) bool {
	optional := func(f *descriptorpb.FieldDescriptorProto) bool { return f.GetProto3Optional() }
	if slices.ContainsFunc(fd.GetExtension(), optional) {
		return true
	}
	var in func(messages []*descriptorpb.DescriptorProto) bool
	in = func(messages []*descriptorpb.DescriptorProto) bool {
		return slices.ContainsFunc(messages, func(m *descriptorpb.DescriptorProto) bool {
			return slices.ContainsFunc(m.GetField(), optional) || slices.ContainsFunc(m.GetExtension(), optional) || in(m.GetNestedType())
		})
	}
	return in(fd.GetMessageType())
}

// add takes over a plugin's files, relative to base. One without a name continues the one before it, and one with
// an insertion point goes into a file that this or an earlier plugin has made.
func (g *generation) add(plugin, base string, outputs []*pluginpb.CodeGeneratorResponse_File) error {
	var last *file
	for _, out := range outputs {
		if out.GetName() == "" && out.GetInsertionPoint() == "" {
			if last == nil {
				return fmt.Errorf("generate with %s: the plugin's first file has no name", plugin)
			}
			last.content = append(last.content, out.GetContent()...)
			continue
		}
		name, err := place(g.compiled.Source.Dir, base, out.GetName())
		if err != nil {
			return fmt.Errorf("generate with %s: %w", plugin, err)
		}
		if out.GetInsertionPoint() != "" {
			if err := g.insert(plugin, name, out); err != nil {
				return err
			}
			continue
		}
		if before := g.files[name]; before != nil {
			if before.plugin == plugin {
				return fmt.Errorf("generate with %s: two files would be %s; give their .proto files other names, or other folders", plugin, name)
			}
			return fmt.Errorf("generate with %s: %s is made by %s too; give one of them another folder", plugin, name, before.plugin)
		}
		last = &file{[]byte(out.GetContent()), plugin}
		g.files[name] = last
	}
	return nil
}

// place returns where a plugin's file goes, relative to the source's folder. Its own folder may be above that one.
func place(dir, base, name string) (string, error) {
	if strings.Contains(name, `\`) || !filepath.IsLocal(filepath.FromSlash(name)) || name != path.Clean(name) || name == "." {
		return "", fmt.Errorf("the plugin wants to write %q, which is no path below its folder", name)
	}
	target := filepath.Join(dir, filepath.FromSlash(base), filepath.FromSlash(name))
	relative, err := filepath.Rel(dir, target)
	if err != nil || !filepath.IsLocal(relative) {
		return "", fmt.Errorf("the file %s is outside of %s, where the .proto files are; generate from a folder that holds both", target, dir)
	}
	return filepath.ToSlash(relative), nil
}

// insert puts text above the line that has the insertion point, indented as that line is.
func (g *generation) insert(plugin, name string, out *pluginpb.CodeGeneratorResponse_File) error {
	into := g.files[name]
	if into == nil {
		return fmt.Errorf("generate with %s: it adds to %s, which no plugin before it has made", plugin, name)
	}
	marker := "@@protoc_insertion_point(" + out.GetInsertionPoint() + ")"
	text := string(into.content)
	at := strings.Index(text, marker)
	if at < 0 {
		return fmt.Errorf("generate with %s: %s has no insertion point %q", plugin, name, out.GetInsertionPoint())
	}
	start := strings.LastIndexByte(text[:at], '\n') + 1
	line := text[start:at]
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	var added strings.Builder
	for text := range strings.Lines(out.GetContent()) {
		added.WriteString(indent + text)
	}
	into.content = []byte(text[:start] + added.String() + text[start:])
	return nil
}
