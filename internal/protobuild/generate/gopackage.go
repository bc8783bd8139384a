package generate

import (
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

type fileDescriptor = protoreflect.FileDescriptor

// isGo reports whether a plugin makes Go code in the way of protoc-gen-go, and knows its options.
func isGo(plugin string) bool {
	name := strings.TrimPrefix(path.Base(strings.ReplaceAll(plugin, `\`, "/")), "protoc-gen-")
	name = strings.TrimSuffix(name, ".exe")
	return name == "go" || strings.HasPrefix(name, "go-") || strings.HasSuffix(name, "-go") || name == "grpc-gateway"
}

// goPlan says what a Go plugin is told.
type goPlan struct {
	base       string // the module's folder, relative to the source's; the plugin's files are relative to it
	parameters []string
}

// goFile is where the Go code of one .proto file goes.
type goFile struct {
	name      string // of the .proto file
	goPackage string // as written, "" when missing
	folder    string // relative to the module, with slashes
	pkg       string // the package's name
	explicit  bool   // the name is written in the file
	plain     bool   // what go_package says is what is done
	given     string // the import path, when the target's options give it
}

// planGo decides for every file of the source which folder its Go code goes to, and tells the plugin so with M
// options, so that what go_package says matters only where it makes sense.
func (g *generation) planGo(ctx context.Context, t Target) (goPlan, error) {
	dir := g.compiled.Source.Dir
	m, err := g.module(ctx, filepath.Join(dir, filepath.FromSlash(t.Out)))
	if err != nil {
		return goPlan{}, err
	}
	own, parameters := ownOptions(t.Options)
	relative := t.Out != "" && path.Clean(t.Out) != "." || slices.Contains(t.Options, "paths=source_relative")
	var files []*goFile
	for _, fd := range g.compiled.Files {
		f, err := g.placeGo(m, fd, own[fd.Path()], t.Out, relative)
		if err != nil {
			return goPlan{}, err
		}
		files = append(files, f)
	}
	if err := agree(m, files); err != nil {
		return goPlan{}, err
	}
	base, err := filepath.Rel(dir, m.dir)
	if err != nil {
		return goPlan{}, fmt.Errorf("the module %s is on another volume than %s", m.dir, dir)
	}
	parameters = append(parameters, "module="+m.path)
	for _, f := range files {
		importPath := m.importPath(f.folder)
		parameters = append(parameters, fmt.Sprintf("M%s=%s;%s", f.name, importPath, f.pkg))
		if !f.plain && (t.Only == nil || slices.Contains(t.Only, f.name)) {
			g.tell(f, importPath)
		}
	}
	return goPlan{filepath.ToSlash(base), parameters}, nil
}

// ownOptions separates the import paths that the target's options give from the options that are passed on.
func ownOptions(options []string) (own map[string]string, others []string) {
	own = map[string]string{}
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		switch {
		case key == "paths" || key == "module":
		case strings.HasPrefix(key, "M") && strings.HasSuffix(key, ".proto"):
			own[key[1:]] = value
		default:
			others = append(others, option)
		}
	}
	return own, others
}

// placeGo decides on the folder and the package of one file.
func (g *generation) placeGo(m *module, fd fileDescriptor, given, out string, relative bool) (*goFile, error) {
	options, _ := fd.Options().(*descriptorpb.FileOptions) // those of a file are of no other type
	f := &goFile{name: fd.Path(), goPackage: options.GetGoPackage(), given: given}
	wanted := f.goPackage
	if given != "" {
		wanted = given
	}
	importPath, pkg, named := strings.Cut(wanted, ";")
	f.pkg, f.explicit = pkg, named && pkg != ""
	folder, inside := m.folderOf(importPath)
	beside, err := g.folderBeside(m, fd.Path())
	if err != nil {
		return nil, err
	}
	switch {
	case given != "" && !inside:
		return nil, fmt.Errorf("the option M%s=%s: %s is not in the module %s", f.name, given, importPath, m.path)
	case relative && given == "":
		target, err := m.relative(filepath.Join(g.compiled.Source.Dir, filepath.FromSlash(out), filepath.FromSlash(path.Dir(f.name))))
		if err != nil {
			return nil, err
		}
		f.folder, f.plain = target, inside && target == folder
	case inside:
		f.folder, f.plain = folder, true
	case isRelative(importPath):
		f.folder = path.Join(beside, importPath)
		if !filepath.IsLocal(filepath.FromSlash(f.folder)) {
			return nil, fmt.Errorf("go_package %q of %s leads out of the module %s", f.goPackage, f.name, m.path)
		}
	default:
		f.folder = beside
	}
	if err := importable(f.folder); err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	if !f.explicit {
		f.pkg = m.packageName(f, importPath, string(fd.Package()))
	} else if !token.IsIdentifier(f.pkg) || f.pkg == "_" {
		return nil, fmt.Errorf("go_package %q of %s: %q cannot be the name of a Go package", f.goPackage, f.name, f.pkg)
	}
	return f, nil
}

func isRelative(importPath string) bool {
	return importPath == "." || importPath == ".." || strings.HasPrefix(importPath, "./") || strings.HasPrefix(importPath, "../")
}

// folderBeside returns the folder of the .proto file, relative to the module.
func (g *generation) folderBeside(m *module, name string) (string, error) {
	return m.relative(filepath.Dir(filepath.Join(g.compiled.Source.Dir, filepath.FromSlash(g.compiled.Source.Path(name)))))
}

// relative returns an absolute folder relative to the module, with slashes.
func (m *module) relative(folder string) (string, error) {
	relative, err := filepath.Rel(m.dir, folder)
	if err != nil || !filepath.IsLocal(relative) {
		return "", fmt.Errorf("the folder %s is not in the module %s at %s", folder, m.path, m.dir)
	}
	return filepath.ToSlash(relative), nil
}

// folderOf returns the folder of an import path of the module.
func (m *module) folderOf(importPath string) (string, bool) {
	if importPath == m.path {
		return ".", true
	}
	rest, ok := strings.CutPrefix(importPath, m.path+"/")
	if !ok || rest == "" {
		return "", false
	}
	rest = path.Clean(rest)
	return rest, filepath.IsLocal(filepath.FromSlash(rest))
}

// importPath is the folder's import path in the form that protoc-gen-go takes, which wants a dot or a slash in it.
func (m *module) importPath(folder string) string {
	if folder != "." {
		return m.path + "/" + folder
	}
	if !strings.ContainsAny(m.path, "./") {
		return m.path + "/."
	}
	return m.path
}

// importable refuses folders that the go command takes no package from.
func importable(folder string) error {
	for part := range strings.SplitSeq(folder, "/") {
		bad := strings.ContainsFunc(part, func(r rune) bool {
			return r >= unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._~+", r)
		})
		if bad || part != "." && (strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".")) {
			return fmt.Errorf("no Go package can be imported from the folder %q; set go_package to one of the module with plain letters, or out in panda.yaml", folder)
		}
	}
	return nil
}

// packageName chooses the package's name where the file does not write one: that of the Go code which is there,
// else the last part of go_package, else the .proto file's package, else the folder.
func (m *module) packageName(f *goFile, importPath, protoPackage string) string {
	at := filepath.Join(m.dir, filepath.FromSlash(f.folder))
	if there := existingPackage(at); there != "" && !f.plain {
		return there
	}
	last := path.Base(importPath)
	switch {
	case f.folder != "." && f.plain:
		return identifier(path.Base(f.folder))
	case f.plain:
		return identifier(path.Base(m.path))
	case importPath != "" && last != "." && last != ".." && last != "/":
		return identifier(last)
	case protoPackage != "":
		return packageOf(protoPackage)
	case f.folder != ".":
		return identifier(path.Base(f.folder))
	}
	return identifier(path.Base(m.path))
}

// packageOf makes a name of a protobuf package: its last part, together with the one before it if the last is a
// version, as in hellov1.
func packageOf(protoPackage string) string {
	parts := strings.Split(protoPackage, ".")
	last := parts[len(parts)-1]
	if len(parts) > 1 && isVersion(last) {
		return identifier(parts[len(parts)-2] + last)
	}
	return identifier(last)
}

func isVersion(part string) bool {
	return len(part) > 1 && part[0] == 'v' && part[1] >= '0' && part[1] <= '9'
}

// identifier makes the name of a package of any text: what is neither letter nor digit becomes _, and a keyword,
// or main, gets pb at its end.
func identifier(text string) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '_'
	}, text)
	if first, _ := utf8.DecodeRuneInString(name); name == "" || unicode.IsDigit(first) {
		name = "_" + name
	}
	if token.IsKeyword(name) || name == "main" || name == "_" {
		name += "pb"
	}
	return name
}

// existingPackage returns the name of the package of the Go files in a folder that were not generated from .proto
// files; "" when there are none.
func existingPackage(folder string) string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return ""
	}
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".pb.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, name), nil, parser.PackageClauseOnly)
		if err == nil && parsed.Name.Name != "documentation" {
			return parsed.Name.Name
		}
	}
	return ""
}

// agree gives all files of a folder one package name: that which a file writes, else the first.
func agree(m *module, files []*goFile) error {
	first := map[string]*goFile{}
	for _, f := range files {
		before := first[f.folder]
		switch {
		case before == nil || f.explicit && !before.explicit:
			first[f.folder] = f
		case f.explicit && before.explicit && f.pkg != before.pkg:
			return fmt.Errorf("%s and %s go to one folder, %s, as the packages %s and %s; a folder holds one package, so change one's go_package",
				before.name, f.name, filepath.Join(m.dir, filepath.FromSlash(f.folder)), before.pkg, f.pkg)
		}
	}
	for _, f := range files {
		f.pkg = first[f.folder].pkg
	}
	return nil
}

// tell says once what was decided for a file.
func (g *generation) tell(f *goFile, importPath string) {
	what := fmt.Sprintf("go_package %q of %s", f.goPackage, f.name)
	if f.goPackage == "" {
		what = f.name + " has no go_package"
	}
	text := fmt.Sprintf("%s: its Go code is package %s, imported as %q", what, f.pkg, strings.TrimSuffix(importPath, "/."))
	if !slices.Contains(g.told, text) {
		g.told = append(g.told, text)
		g.run.note("%s", text)
	}
}
