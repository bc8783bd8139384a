package scaffold

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"go/format"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/goccy/go-yaml"
)

// templates is every text that projects are made of. Actions stand between « and », which no language that is written
// here uses.
//
//go:embed all:templates
var templates embed.FS

// File is one file of a project.
type File struct {
	Path    string // relative to the project's folder, with slashes
	Content []byte
}

// fields is what templates may use.
type fields struct {
	Type                    Type
	Name                    string
	Package, Service, Alias string // of its own .proto file
	Proto                   string // import path of the package that is generated from it
	ProtoFile, ProtoVar     string
	Callee                  *Callee
	CalleeThere             bool
	Runs, OwnProto, Chinese bool
	Below, Up               string // the folder in its module and back; "" where the module begins
	UpArgument              string // what "panda up" is given in README and Makefile
	PandaDir                string
	Containers              []container

	Who, Hello, Bang, Salutation, Comma string // of greetings
}

// container is a service of the compose file.
type container struct{ Name, Context, Dockerfile string }

// source is a template and where its text goes.
type source struct{ template, path string }

// sources lists the files of a project. Go files and pages have their type's folder; the rest is shared.
func (p *Plan) sources(f *fields) []source {
	files := []source{
		{"every/Makefile.tmpl", "Makefile"},
		{"every/README." + string(p.language) + ".md.tmpl", "README.md"},
		{"every/gitignore.tmpl", ".gitignore"},
	}
	if p.Type.runs() {
		files = append(files,
			source{"service/health.go.tmpl", "health.go"},
			source{"service/Dockerfile.tmpl", "Dockerfile"},
			source{"service/compose.yaml.tmpl", "compose.yaml"})
	}
	if p.below == "" {
		files = append(files, source{"module/ci.yml.tmpl", ".github/workflows/ci.yml"})
		if p.Type.runs() {
			files = append(files, source{"module/dockerignore.tmpl", ".dockerignore"})
		}
	}
	switch p.Type {
	case Srv:
		files = append(files, source{"proto/service.proto.tmpl", f.ProtoFile})
	case API:
		files = append(files, source{"proto/api.proto.tmpl", f.ProtoFile})
	case Web, RPC, CLI:
	}
	return files
}

// ownSources adds the files of the type's own folder.
func (p *Plan) ownSources() ([]source, error) {
	folder := path.Join("templates", string(p.Type))
	entries, err := fs.ReadDir(templates, folder)
	var files []source
	for _, entry := range entries {
		files = append(files, source{path.Join(string(p.Type), entry.Name()), strings.TrimSuffix(entry.Name(), ".tmpl")})
	}
	return files, err
}

// Render makes the files in memory, sorted by path, but for what is generated from .proto files and for go.mod and
// go.sum. Go files are formatted, and those that others read as YAML are read once.
func (p *Plan) Render() ([]File, error) {
	f, err := p.fields()
	if err != nil {
		return nil, err
	}
	own, err := p.ownSources()
	if err != nil {
		return nil, err
	}
	var files []File
	if p.Callee != nil && p.Callee.contract != nil {
		files = append(files, File{path.Join("proto", p.Callee.contractName), p.Callee.contract})
	}
	for _, s := range slices.Concat(p.sources(f), own) {
		content, err := execute(s.template, f)
		if err != nil {
			return nil, err
		}
		if content, err = validate(s.path, content); err != nil {
			return nil, fmt.Errorf("make %s: %w", s.path, err)
		}
		files = append(files, File{s.path, content})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// execute makes a text of a template.
func execute(name string, f *fields) ([]byte, error) {
	parsed, err := template.New(path.Base(name)).Delims("«", "»").Funcs(template.FuncMap{"quote": quote, "shell": shell}).
		Option("missingkey=error").ParseFS(templates, path.Join("templates", name))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, f); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func validate(name string, content []byte) ([]byte, error) {
	switch path.Ext(name) {
	case ".go":
		return format.Source(content)
	case ".yaml", ".yml":
		var anything map[string]any
		return content, yaml.Unmarshal(content, &anything)
	case ".md", "":
		return emptyLines.ReplaceAll(content, []byte("\n\n")), nil // what was left out leaves several
	}
	return content, nil
}

var emptyLines = regexp.MustCompile(`\n{3,}`)

// quote writes a text as YAML and JSON have it.
func quote(text string) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(text)
	return strings.TrimSpace(out.String()), err
}

// shell writes a text as one word in a recipe of make.
func shell(text string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "$", "$$").Replace(text) + "'"
}

func (p *Plan) fields() (*fields, error) {
	pkg := packageName(p.Name)
	f := &fields{
		Type: p.Type, Name: p.Name, Callee: p.Callee, Runs: p.Type.runs(), Chinese: p.language == Chinese,
		Below: p.below, PandaDir: p.Panda.Dir, UpArgument: ".",
		Who: "Lin", Hello: "Hello, ", Bang: "!", Salutation: "Hello", Comma: ", ",
	}
	if f.Chinese {
		f.Who, f.Hello, f.Bang, f.Salutation, f.Comma = "熊猫", "你好,", "", "你好", ","
	}
	if p.below != "" {
		f.Up = strings.Repeat("../", strings.Count(p.below, "/")) + ".."
	}
	switch {
	case p.Type == Srv || p.Type == API:
		f.OwnProto = true
		f.Package, f.Service, f.Alias = pkg+".v1", serviceName(p.Name), pkg+"v1"
		f.ProtoFile = path.Join("proto", pkg, "v1", pkg+".proto")
		f.ProtoVar = pkg + "_v1_" + pkg + "_proto"
		f.Proto = p.Import() + "/" + path.Dir(f.ProtoFile)
	case p.Callee != nil:
		f.OwnProto = p.Callee.contract != nil
		f.CalleeThere = p.Callee.Dir != ""
		f.ProtoFile = path.Join("proto", p.Callee.contractName)
	}
	return f, p.placeCallee(f)
}

// placeCallee adds what depends on where the callee is: the containers, and the folder that both are below.
func (p *Plan) placeCallee(f *fields) error {
	f.Containers = []container{{p.Name, ".", ""}}
	if p.below != "" {
		f.Containers[0] = container{p.Name, f.Up, p.below + "/Dockerfile"}
	}
	if !f.CalleeThere || !p.Type.runs() {
		return nil
	}
	for at := p.Folder; !inside(at, p.Callee.Dir) && at != filepath.Dir(at); at = filepath.Dir(at) {
		f.UpArgument = path.Join(f.UpArgument, "..")
	}
	calleeModule := nearest(p.Callee.Dir, "go.mod")
	if nearest(p.Callee.Dir, "Dockerfile") != p.Callee.Dir || calleeModule == "" {
		return nil
	}
	context, err := filepath.Rel(p.Folder, calleeModule)
	if err != nil {
		return err
	}
	called := container{p.Callee.Name, filepath.ToSlash(context), ""}
	if calleeModule != p.Callee.Dir {
		below, err := filepath.Rel(calleeModule, p.Callee.Dir)
		if err != nil {
			return err
		}
		called.Dockerfile = filepath.ToSlash(below) + "/Dockerfile"
	}
	f.Containers = append(f.Containers, called)
	return nil
}
