package scaffold

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// lay writes an archive below a new folder and returns the folder, free of symbolic links.
func lay(t *testing.T, archive string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range txtar.Parse([]byte(archive)).Files {
		path := filepath.Join(root, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, file.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const places = `
-- module/go.mod --
// a comment
module example.com/shop // the shop
-- module/quoted/go.mod --
module "example.com/quoted"
-- module/none/go.mod --
go 1.26
-- module/panda/go.mod --
module github.com/pandakit/panda
-- space/panda.yaml --
-- space/below/file --
-- plain/file --
`

func TestPlan(t *testing.T) {
	t.Parallel()
	root := lay(t, places)
	for _, c := range []struct {
		what             string
		dir, path, given string
		name, imported   string
		newModule        bool
		workspace        string
	}{
		{"a new module", "plain", "day2/micro/rpc.srv", "", "rpc", "example.com/rpc", true, ""},
		{"a folder that exists", "plain", ".", "", "plain", "example.com/plain", true, ""},
		{"a path like a module's", "plain", "github.com/me/Hello", "", "hello", "github.com/me/Hello", true, ""},
		{"a module of a given path", "plain", "my service", "example.org/x", "my-service", "example.org/x", true, ""},
		{"a package", "module", "micro/rpc.srv", "", "rpc", "example.com/shop/micro/rpc.srv", false, ""},
		{"the root of a module", "module", ".", "", "module", "example.com/shop", false, ""},
		{"a module within another", "module", "my 服务/rpc.srv", "example.org/x", "rpc", "example.org/x", true, ""},
		{"a module whose path is quoted", "module/quoted", "rpc.srv", "", "rpc", "example.com/quoted/rpc.srv", false, ""},
		{"a workspace", "space/below", "../rpc.srv", "", "rpc", "example.com/rpc", true, "space"},
		{"a workspace from elsewhere", "plain", "../space/rpc.srv", "", "rpc", "example.com/rpc", true, "space"},
	} {
		p, err := NewPlan(Request{Dir: filepath.Join(root, c.dir), Path: c.path, Module: c.given, Type: Srv})
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		workspace := ""
		if c.workspace != "" {
			workspace = filepath.Join(root, c.workspace)
		}
		if p.Name != c.name || p.Import() != c.imported || p.NewModule != c.newModule || p.Workspace != workspace {
			t.Errorf("%s: got %+v, import path %s", c.what, p, p.Import())
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	root := lay(t, places)
	if err := os.Symlink(filepath.Join(root, "plain"), filepath.Join(root, "space", "out")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if err := os.Symlink("nowhere", filepath.Join(root, "plain", "dangling")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		Request
		want string
	}{
		{"no path", Request{Dir: "plain"}, "is empty"},
		{"a file on the way", Request{Dir: "plain", Path: "file/x"}, "not a"},
		{"a file in its place", Request{Dir: "plain", Path: "file"}, "is not a folder"},
		{"a link that leads nowhere", Request{Dir: "plain", Path: "dangling"}, "dangling"},
		{"a device of Windows", Request{Dir: "plain", Path: "x/nul/y"}, `folder "nul": Windows reserves`},
		{"a space in an import path", Request{Dir: "module", Path: "my service"}, `example.com/shop/my service, and import paths of Go cannot have ' '`},
		{"letters of an import path", Request{Dir: "module", Path: "服务/rpc.srv"}, `cannot have '服'`},
		{"panda itself", Request{Dir: "module/panda", Path: "x"}, "in the module of panda itself"},
		{"a go.mod without a path", Request{Dir: "module/none", Path: "x"}, `no line "module PATH"`},
		{"a second go.mod", Request{Dir: "module", Path: ".", Module: "example.org/x"}, "has a go.mod already"},
		{"a module path with a space", Request{Dir: "plain", Path: "x", Module: "a b"}, `--module "a b"`},
		{"panda's module path", Request{Dir: "plain", Path: "x", Module: pandaPath}, "panda's own"},
		{"a name with a dot", Request{Dir: "plain", Path: "x", Name: "a.b"}, `--name "a.b": DNS names`},
		{"a name that is none", Request{Dir: "plain", Path: "服务"}, `DNS names cannot have '服'`},
		{"out of the workspace", Request{Dir: "space/below", Path: "../../plain/x"}, "is outside of the workspace"},
		{"out of the workspace by a link", Request{Dir: "space", Path: "out/x"}, "is outside of the workspace"},
	} {
		r := c.Request
		r.Type, r.Dir = Srv, filepath.Join(root, filepath.FromSlash(r.Dir))
		p, err := NewPlan(r)
		if _, ok := errors.AsType[*InputError](err); !ok || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %+v, %v, want %q", c.what, p, err, c.want)
		}
	}
}

const services = `
-- rpc.srv/proto/rpc/v1/rpc.proto --
syntax = "proto3";
// rpc Greet(X) is what this comment says
package rpc.v1;
option go_package = "example.com/rpc/proto/rpc/v1;rpcv1";
service RpcService {
  rpc Greet(GreetRequest) returns (GreetResponse);
  rpc Count ( CountRequest ) returns ( stream CountResponse ) ;
}
-- quiet/proto/quiet/v1/quiet.proto --
syntax = "proto3";
package quiet.v1;
// rpc Greet(GreetRequest) returns (GreetResponse);
service QuietService {}
-- messages/proto/m/v1/m.proto --
syntax = "proto3";
package m.v1;
message M {}
-- nothing/main.go --
`

func TestCall(t *testing.T) {
	t.Parallel()
	root := lay(t, services)
	service := func(name, dir string) Found { return Found{name, filepath.Join(root, dir)} }
	rpc, quiet := service("rpc", "rpc.srv"), service("quiet", "quiet")
	again := service("again", "rpc.srv")
	for _, c := range []struct {
		what  string
		kind  Type
		path  string
		name  string
		found []Found
		want  string
		there bool
		fails string
	}{
		{"the pair", Web, "rpc.web", "", []Found{again, rpc}, "rpc", true, ""},
		{"the only one", Web, "shop", "", []Found{quiet, rpc}, "rpc", true, ""},
		{"the one that is named", Web, "rpc.web", "again", []Found{rpc, again}, "again", true, ""},
		{"one that is not there", CLI, "x", "later", nil, "later", false, ""},
		{"the pair that is not there", Web, "rpc.web", "", nil, "rpc", false, ""},
		{"several", Web, "shop", "", []Found{rpc, again}, "", false, "several services could be called: again, rpc"},
		{"none", Web, "shop", "", []Found{quiet}, "", false, "no service to call is found"},
		{"itself", Web, "shop", "shop", nil, "", false, `call itself, "shop"`},
		{"no name", Web, "shop", "A", nil, "", false, `--calls "A": DNS`},
		{"one without the method", Web, "shop", "quiet", []Found{quiet}, "", false, `has no "rpc Greet(GreetRequest) returns (GreetResponse)"`},
		{"one with messages only", Web, "shop", "m", []Found{service("m", "messages")}, "", false, "no .proto file with a service"},
		{"one without .proto files", Web, "shop", "n", []Found{service("n", "nothing")}, "", false, "no .proto file with a service"},
		{"a type that calls none", Srv, "shop", "rpc", []Found{rpc}, "", false, "a project of type srv calls no other"},
	} {
		p, err := NewPlan(Request{Dir: root, Path: c.path, Type: c.kind})
		if err != nil {
			t.Fatal(err)
		}
		err = p.Call(c.name, c.found)
		if c.fails != "" {
			if _, ok := errors.AsType[*InputError](err); !ok || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, want %q", c.what, err, c.fails)
			}
			continue
		}
		if err != nil || p.Callee.Name != c.want || (p.Callee.Dir != "") != c.there {
			t.Errorf("%s: got %+v, %v", c.what, p.Callee, err)
		}
		if err == nil && !strings.Contains(string(p.Callee.contract), `go_package = "`+p.Callee.Proto+";"+p.Callee.Alias+`"`) {
			t.Errorf("%s: the contract is for another package:\n%s", c.what, p.Callee.contract)
		}
	}
}

func TestSearchFolder(t *testing.T) {
	t.Parallel()
	root := lay(t, "-- day2/micro/rpc.srv/main.go --\n-- space/panda.yaml --\n-- space/x/y --\n-- module/go.mod --\nmodule m\n-- module/x/y --\n")
	for path, want := range map[string]string{
		"day2/micro/rpc.web": "day2", "rpc.web": "", "space/x/a.web": "space", "module/x/a.web": "module",
		filepath.Join(root, "day2/micro/a.web"): "day2/micro",
	} {
		p, err := NewPlan(Request{Dir: root, Path: path, Type: Web})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.SearchFolder(); got != filepath.Join(root, want) {
			t.Errorf("%s: searches %s, want %s", path, got, want)
		}
	}
	if p, err := NewPlan(Request{Dir: root, Path: "new/micro/rpc.web", Type: Web}); err != nil || p.SearchFolder() != "" {
		t.Errorf("a folder that is not there is searched: %v, %v", p, err)
	}
	if p, err := NewPlan(Request{Dir: root, Path: "rpc.srv", Type: Srv}); err != nil || p.SearchFolder() != "" {
		t.Errorf("a srv searches: %v, %v", p, err)
	}
}
