package scaffold

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Found is a service of the workspace.
type Found struct {
	Name string
	Dir  string // of its main package, absolute, free of symbolic links
}

// Callee is the service that a project calls.
type Callee struct {
	Name    string
	Dir     string // of its main package; "" when it is not there yet
	Service string // in its .proto file: RpcService
	Alias   string // of its generated package: rpcv1
	Proto   string // the generated package's import path

	contract     []byte // its .proto file, to be copied; nil when the package of its module is imported
	contractName string // as imports name it: rpc/v1/rpc.proto
	packageDir   string // of the generated package that is imported, absolute; "" with a contract
}

// Call chooses the service that the project calls: the one called name, or with "" the one that the project is named
// after (rpc.web calls rpc), or the only one that can be called. A service that is not there yet may be named; it
// is taken to be one that this package makes. What cannot be chosen is an *[InputError].
func (p *Plan) Call(name string, found []Found) error {
	if !p.Type.calls() {
		if name != "" {
			return inputErrorf("leave --calls out", "--calls %q: a project of type %s calls no other", name, p.Type)
		}
		return nil
	}
	if name != "" {
		if why := checkName(name); why != "" {
			return inputErrorf("", "--calls %q: %s", name, why)
		}
	} else {
		var err error
		if name, err = p.guessCallee(found); err != nil {
			return err
		}
	}
	if name == p.Name {
		return inputErrorf("name another with --calls NAME", "create %s: it would call itself, %q", p.Shown, name)
	}
	p.Callee = &Callee{Name: name}
	if at := slices.IndexFunc(found, func(f Found) bool { return f.Name == name }); at >= 0 {
		return p.readContract(found[at])
	}
	return p.assumeContract()
}

// guessCallee is the name of the service that is called when none was named.
func (p *Plan) guessCallee(found []Found) (string, error) {
	pair := strings.TrimSuffix(p.Name, "-"+string(p.Type))
	var able []string
	for _, f := range found {
		if f.Name == pair && f.Name != p.Name {
			return pair, nil
		}
		if c, err := findContract(f.Dir); err == nil && c != nil && c.misses(p.Type) == "" && f.Name != p.Name {
			able = append(able, f.Name)
		}
	}
	switch {
	case len(able) == 1:
		return able[0], nil
	case len(able) > 1:
		slices.Sort(able)
		return "", inputErrorf("name it with --calls NAME", "create %s: several services could be called: %s", p.Shown, strings.Join(able, ", "))
	case pair != p.Name:
		return pair, nil
	}
	return "", inputErrorf("name it with --calls NAME, or make one first: panda new --type srv PATH",
		"create %s: no service to call is found below %s", p.Shown, p.search)
}

// contract is a .proto file of a service that a project may call.
type contract struct {
	file    string // absolute
	name    string // as imports name it
	text    []byte
	pkg     string
	service string
}

// The bounds of looking for a contract.
const (
	maxContract      = 1 << 20 // bytes
	maxContractFiles = 1000
)

var (
	protoComment = regexp.MustCompile(`(?s)//[^\n]*|/\*.*?\*/`)
	protoPackage = regexp.MustCompile(`(?m)^\s*package\s+([A-Za-z0-9_.]+)\s*;`)
	protoService = regexp.MustCompile(`\bservice\s+(\w+)\s*\{`)
	protoGreet   = regexp.MustCompile(`\brpc\s+Greet\s*\(\s*GreetRequest\s*\)\s*returns\s*\(\s*GreetResponse\s*\)`)
	protoCount   = regexp.MustCompile(`\brpc\s+Count\s*\(\s*CountRequest\s*\)\s*returns\s*\(\s*stream\s+CountResponse\s*\)`)
	goPackage    = regexp.MustCompile(`(?m)^(\s*option\s+go_package\s*=\s*)("[^"\n]*"|'[^'\n]*')`)
)

// misses says which method of the contract the type needs and does not find, or "".
func (c *contract) misses(t Type) string {
	text := protoComment.ReplaceAll(c.text, nil)
	if !protoGreet.Match(text) {
		return "rpc Greet(GreetRequest) returns (GreetResponse)"
	}
	if t == CLI && !protoCount.Match(text) {
		return "rpc Count(CountRequest) returns (stream CountResponse)"
	}
	return ""
}

// findContract returns the .proto file with a service in the folder proto of a program, the one that can be greeted if
// there are several; nil when there is none.
func findContract(dir string) (*contract, error) {
	root := filepath.Join(dir, "proto")
	var best *contract
	files := 0
	err := filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(entry.Name()) != ".proto" {
			return err
		}
		if files++; files > maxContractFiles {
			return fs.SkipAll
		}
		c, err := readContract(root, at)
		if err == nil && c != nil && (best == nil || c.misses(Web) == "") {
			best = c
		}
		return err
	})
	if err != nil && os.IsNotExist(err) {
		return nil, nil //nolint:nilnil // a program without .proto files
	}
	return best, err
}

// readContract reads one .proto file; nil when it has no service.
func readContract(root, file string) (*contract, error) {
	opened, err := os.Open(file) //nolint:gosec // of the workspace
	if err != nil {
		return nil, cause(err, file)
	}
	defer opened.Close()
	text, err := io.ReadAll(io.LimitReader(opened, maxContract))
	if err != nil {
		return nil, cause(err, file)
	}
	bare := protoComment.ReplaceAll(text, nil)
	service, pkg := protoService.FindSubmatch(bare), protoPackage.FindSubmatch(bare)
	if service == nil || pkg == nil {
		return nil, nil //nolint:nilnil // a file of messages
	}
	name, err := filepath.Rel(root, file)
	if err != nil {
		return nil, err
	}
	return &contract{file, filepath.ToSlash(name), text, string(pkg[1]), string(service[1])}, nil
}

// readContract takes the contract of a service that is there: its generated package where that is in the same module,
// else a copy of its .proto file.
func (p *Plan) readContract(callee Found) error {
	c, err := findContract(callee.Dir)
	if err != nil {
		return fmt.Errorf("read the contract of %q: %w", callee.Name, err)
	}
	if c == nil {
		return inputErrorf("name another with --calls NAME", "call %q: %s has no .proto file with a service below its folder proto", callee.Name, callee.Dir)
	}
	if missing := c.misses(p.Type); missing != "" {
		return inputErrorf("name another with --calls NAME", "call %q: %s has no %q, which the example calls", callee.Name, c.file, missing)
	}
	p.Callee.Dir, p.Callee.Service, p.Callee.Alias = callee.Dir, c.service, strings.ReplaceAll(c.pkg, ".", "")
	folder := filepath.Dir(c.file)
	generated, err := filepath.Glob(filepath.Join(escapeGlob(folder), "*_grpc.pb.go"))
	if err == nil && len(generated) > 0 && nearest(folder, "go.mod") == p.ModuleDir && !p.NewModule {
		relative, err := filepath.Rel(p.ModuleDir, folder)
		if err != nil {
			return err
		}
		p.Callee.packageDir, p.Callee.Proto = folder, path.Join(p.Module, filepath.ToSlash(relative))
		return nil
	}
	p.copyContract(c.name, c.text)
	return nil
}

// escapeGlob writes a path as a pattern that matches only it.
func escapeGlob(path string) string {
	return strings.NewReplacer(`*`, `[*]`, `?`, `[?]`, `[`, `[[]`).Replace(path)
}

// assumeContract takes the contract that a new srv of the callee's name would have.
func (p *Plan) assumeContract() error {
	pkg := packageName(p.Callee.Name)
	p.Callee.Service, p.Callee.Alias = serviceName(p.Callee.Name), pkg+"v1"
	text, err := execute("proto/service.proto.tmpl", &fields{
		Name: p.Callee.Name, Package: pkg + ".v1", Service: p.Callee.Service, Alias: p.Callee.Alias, Proto: "none",
	})
	if err != nil {
		return err
	}
	p.copyContract(path.Join(pkg, "v1", pkg+".proto"), text)
	return nil
}

// copyContract gives the project a copy of the callee's .proto file, whose Go code is generated into the project.
func (p *Plan) copyContract(name string, text []byte) {
	p.Callee.contractName = name
	p.Callee.Proto = p.Import() + "/" + path.Join("proto", path.Dir(name))
	option := fmt.Sprintf("%q", p.Callee.Proto+";"+p.Callee.Alias)
	if goPackage.Match(text) {
		text = goPackage.ReplaceAll(text, []byte("${1}"+strings.ReplaceAll(option, "$", "$$")))
	} else {
		text = protoPackage.ReplaceAll(text, []byte("${0}\n\noption go_package = "+strings.ReplaceAll(option, "$", "$$")+";"))
	}
	p.Callee.contract = text
}
