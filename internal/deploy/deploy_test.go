package deploy_test

import (
	"errors"
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pandakit/panda/internal/allornone"
	"github.com/pandakit/panda/internal/deploy"
)

var update = flag.Bool("update", false, "write the files that are made into testdata")

// shop has everything that can be said of services.
func shop() deploy.Plan {
	return deploy.Plan{
		Project: "shop",
		Services: []deploy.Service{
			{Name: "migrate", Source: "./migrate", Image: "example.com/team/migrate:1.4", Replicas: 1, Oneshot: true, Drain: deploy.DefaultDrain,
				Secrets: []deploy.Secret{{Variable: "DB_PASSWORD", Reference: "db/password"}}},
			{Name: "orders", Source: "./orders.srv", Image: "example.com/team/orders:1.4", Replicas: 3, After: []string{"migrate"},
				Env:  map[string]string{"GREETING": `50% of "$5" \ more`, "PANDA_ADDR": "127.0.0.1:0", "A": "b\nc"},
				Args: []string{"-v", "$HOME", "100%", "a b"}, MilliCPU: 500, Memory: 256 << 20, Drain: 90*time.Second + time.Millisecond,
				Secrets: []deploy.Secret{{Variable: "DB_PASSWORD", Reference: "db/password"}, {Variable: "KEY_FILE", Reference: "tls.key"}}},
			{Name: "web", Source: "./web", Image: "example.com/team/web@sha256:" + strings.Repeat("a", 64), Replicas: 2, After: []string{"orders"},
				Drain: deploy.DefaultDrain, Expose: 80, Memory: 1 << 30},
		},
		Consul: deploy.Consul{Token: "consul-token", Config: "consul/config"},
	}
}

// small needs no more than it must, and has a Consul that is there already.
func small() deploy.Plan {
	return deploy.Plan{
		Project: "small", Chinese: true, Consul: deploy.Consul{Address: "10.0.0.5:8500"},
		Services: []deploy.Service{{Name: "hello", Source: "./hello", Image: "hello:1", Replicas: 1, Drain: deploy.DefaultDrain}},
	}
}

// TestGolden compares what is made with the files in testdata, which conformance/deploy gives to those who read them.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, target := range deploy.Targets() {
		for name, plan := range map[string]deploy.Plan{"shop": shop(), "small": small()} {
			files, err := deploy.Render(target, plan)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, filepath.Join("testdata", string(target), name), files)
		}
	}
}

func compare(t *testing.T, folder string, files []deploy.File) {
	t.Helper()
	if *update {
		if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	var made []string
	for _, f := range files {
		at := filepath.Join(folder, f.Path)
		if *update {
			if err := os.WriteFile(at, f.Content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(at)
		if err != nil || strings.ReplaceAll(string(want), "\r\n", "\n") != string(f.Content) {
			t.Errorf("%s is made in another way (%v); look at it with -update and git diff", at, err)
		}
		made = append(made, f.Path)
	}
	there, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range there {
		if !slices.Contains(made, entry.Name()) {
			t.Errorf("%s/%s is not made any more; see -update", folder, entry.Name())
		}
	}
}

func TestNoSecretAndNoMovingTagIsWritten(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, want string
		change     func(*deploy.Plan)
	}{
		{"none", "there is no service to deploy", func(p *deploy.Plan) { p.Services = nil }},
		{"no image", `service "hello": no image is named`, func(p *deploy.Plan) { p.Services[0].Image = "" }},
		{"no tag", `service "hello": image "hello" has neither tag nor digest`, func(p *deploy.Plan) { p.Services[0].Image = "hello" }},
		{"port but no tag", `image "example.com:5000/hello" has neither`, func(p *deploy.Plan) { p.Services[0].Image = "example.com:5000/hello" }},
		{"latest", `image "hello:latest": latest is another image tomorrow`, func(p *deploy.Plan) { p.Services[0].Image = "hello:latest" }},
		{"no reference", `image "Hello:1" is no reference`, func(p *deploy.Plan) { p.Services[0].Image = "Hello:1" }},
		{"consul's tag", `deploy.consul.image "consul" has neither`, func(p *deploy.Plan) { p.Consul = deploy.Consul{Image: "consul"} }},
		{"name", `service "订单": containers and units have names`, func(p *deploy.Plan) { p.Services[0].Name = "订单" }},
		{"long name", "longer than 52", func(p *deploy.Plan) { p.Services[0].Name = strings.Repeat("a", 53) }},
		{"registry's name", `service "consul-1": names that begin with consul`, func(p *deploy.Plan) { p.Services[0].Name = "consul-1" }},
		{"replicas", `service "hello": 0 replicas`, func(p *deploy.Plan) { p.Services[0].Replicas = 0 }},
		{"variable", `env "A B": a variable has a name of letters`, func(p *deploy.Plan) { p.Services[0].Env = map[string]string{"A B": ""} }},
		{"oneshot with a port", "it has no port to expose", func(p *deploy.Plan) { p.Services[0].Oneshot, p.Services[0].Expose = true, 80 }},
		{"one name", `an instance of hello would be called hello-1, too`, func(p *deploy.Plan) {
			p.Services = append(p.Services, deploy.Service{Name: "hello-1", Image: "a:1", Replicas: 1})
		}},
		{"one port", `service "b": expose: port 81 is that of hello`, func(p *deploy.Plan) {
			p.Services[0].Expose, p.Services[0].Replicas = 80, 2
			p.Services = append(p.Services, deploy.Service{Name: "b", Image: "a:1", Replicas: 1, Expose: 81})
		}},
		{"consul's port", "expose: port 8500 is that of consul", func(p *deploy.Plan) {
			p.Services[0].Expose, p.Consul.Address = 8500, ""
		}},
		{"beyond", "take ports beyond 65535", func(p *deploy.Plan) { p.Services[0].Expose, p.Services[0].Replicas = 65535, 2 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			plan := small()
			test.change(&plan)
			_, err := deploy.Render(deploy.Compose, plan)
			if _, ok := errors.AsType[*deploy.InputError](err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Render: %v, want an InputError with %q", err, test.want)
			}
		})
	}
}

func TestUnitsNeedNoImage(t *testing.T) {
	t.Parallel()
	plan := small()
	plan.Services[0].Image = ""
	if _, err := deploy.Render(deploy.Systemd, plan); err != nil {
		t.Error(err)
	}
}

func TestParseTarget(t *testing.T) {
	t.Parallel()
	if target, err := deploy.ParseTarget("systemd"); err != nil || target != deploy.Systemd {
		t.Errorf("ParseTarget = %q, %v", target, err)
	}
	for name, want := range map[string]string{"kubernete": "near: kubernetes", "nomad": "known: compose, kubernetes, systemd"} {
		if _, err := deploy.ParseTarget(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseTarget(%q): %v, want %s", name, err, want)
		}
	}
}

// TestResolve asks a registry on loopback, once for each image.
func TestResolve(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New())
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	image, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"/team/hello:1", "/consul:1"} {
		reference, err := name.ParseReference(host + text)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(reference, image); err != nil {
			t.Fatal(err)
		}
	}
	pinned := "hello@sha256:" + strings.Repeat("b", 64)
	plan := deploy.Plan{Project: "p", Consul: deploy.Consul{Image: host + "/consul:1"}, Services: []deploy.Service{
		{Name: "a", Image: host + "/team/hello:1", Replicas: 1}, {Name: "b", Image: pinned, Replicas: 1},
	}}
	if err := plan.Resolve(t.Context(), authn.NewMultiKeychain(), server.Client().Transport); err != nil {
		t.Fatal(err)
	}
	got := []string{plan.Services[0].Image, plan.Services[1].Image, plan.Consul.Image}
	want := []string{host + "/team/hello:1@" + digest.String(), pinned, host + "/consul:1@" + digest.String()}
	if !slices.Equal(got, want) {
		t.Errorf("Resolve gives %q, want %q", got, want)
	}
	if _, err := deploy.Render(deploy.Compose, plan); err != nil {
		t.Errorf("what is resolved is refused: %v", err)
	}
	plan.Services[0].Image = host + "/team/hello:2"
	err = plan.Resolve(t.Context(), authn.NewMultiKeychain(), server.Client().Transport)
	if err == nil || !strings.Contains(err.Error(), "resolve "+host+"/team/hello:2: ") {
		t.Errorf("Resolve of a tag that is not there: %v", err)
	}
	plan.Services[0].Image = "hello:latest"
	if err := plan.Resolve(t.Context(), authn.NewMultiKeychain(), nil); err == nil || !strings.Contains(err.Error(), "another image tomorrow") {
		t.Errorf("Resolve of latest: %v", err)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	folder := filepath.Join(root, "deploy", "compose")
	files := []deploy.File{{Path: "a", Content: []byte("1")}, {Path: "b", Content: []byte("2")}}
	write := func(force bool) error { return deploy.Write(folder, root, "deploy/compose", files, force) }
	if err := write(false); err != nil {
		t.Fatal(err)
	}
	if err := write(false); err != nil {
		t.Errorf("the same files again: %v", err)
	}
	files[1].Content = []byte("3")
	if err := write(false); !errors.Is(err, allornone.ErrExists) || !strings.HasSuffix(err.Error(), ": b") {
		t.Errorf("other content: %v, want ErrExists and b", err)
	}
	if content(t, folder, "b") != "2" {
		t.Error("a file has been overwritten without force")
	}
	if err := write(true); err != nil || content(t, folder, "b") != "3" {
		t.Errorf("with force: %v", err)
	}
	// A file in the way of the second file's folder: nothing is left of the first.
	files = []deploy.File{{Path: "c", Content: []byte("1")}, {Path: "a/e", Content: []byte("2")}}
	if err := write(true); err == nil || !strings.HasPrefix(err.Error(), "write deploy/compose: a/e: ") {
		t.Errorf("a file below a file: %v", err)
	}
	if there, err := os.ReadDir(folder); err != nil || len(there) != 2 {
		t.Errorf("after a failure there are %v, %v; want the two from before", there, err)
	}
}

func content(t *testing.T, folder, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A folder that a user names may be anywhere, one that nobody has named only where within says.
func TestWriteStaysInside(t *testing.T) {
	t.Parallel()
	root, outside := t.TempDir(), t.TempDir()
	files := []deploy.File{{Path: "a", Content: []byte("1")}}
	if err := os.Symlink(outside, filepath.Join(root, "link")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	for _, folder := range []string{outside, filepath.Join(root, "link", "x"), filepath.Join(root, "..", "x"), filepath.Dir(root)} {
		err := deploy.Write(folder, root, "shown", files, true)
		if _, ok := errors.AsType[*deploy.InputError](err); !ok || !strings.Contains(err.Error(), "out of the workspace") {
			t.Errorf("Write to %s: %v", folder, err)
		}
	}
	if there, err := os.ReadDir(outside); err != nil || len(there) != 0 {
		t.Errorf("outside there are %v, %v", there, err)
	}
	if err := deploy.Write(filepath.Join(root, "link", "x"), "", "shown", files, false); err != nil || content(t, outside, "x/a") != "1" {
		t.Errorf("through a link to a folder outside, as a user has named it: %v", err)
	}
}

// What lies in the folder does not lead out of it, wherever that is and whatever force says.
func TestWriteStaysInTheFolder(t *testing.T) {
	t.Parallel()
	folder, outside := t.TempDir(), t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(outside, "a"), []byte("mine"), 0o600),
		os.Symlink(outside, filepath.Join(folder, "link")), os.Symlink(filepath.Join(outside, "a"), filepath.Join(folder, "a"))); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	for path, want := range map[string]string{
		"a": "a is there and is no file", "link/b": "link/b: path escapes", "../b": "../b: path escapes", "link/a": "link/a: path escapes",
	} {
		err := deploy.Write(folder, "", "shown", []deploy.File{{Path: "first", Content: []byte("1")}, {Path: path, Content: []byte("2")}}, true)
		if err == nil || !strings.HasPrefix(err.Error(), "write shown: "+want) {
			t.Errorf("Write of %s: %v, want %s", path, err, want)
		}
	}
	if there, err := os.ReadDir(folder); err != nil || len(there) != 2 {
		t.Errorf("in the folder there are %v, %v; want the two links", there, err)
	}
	if there, err := os.ReadDir(outside); err != nil || len(there) != 1 || content(t, outside, "a") != "mine" {
		t.Errorf("outside there are %v, %v", there, err)
	}
}

// TestOneConsul holds that new projects try themselves with the Consul that they are deployed with.
func TestOneConsul(t *testing.T) {
	t.Parallel()
	template := content(t, "../scaffold/templates/service", "compose.yaml.tmpl")
	if !strings.Contains(template, "image: "+deploy.ConsulImage+"\n") {
		t.Errorf("the compose.yaml of new projects has another Consul than %s", deploy.ConsulImage)
	}
}
