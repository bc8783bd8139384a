package image_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/image"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop is a module with a service; the panda module that it is compiled with does nothing.
var shop = map[string]string{ //nolint:gochecknoglobals // constant
	"go.mod":        "module example.com/shop\n\ngo 1.26\n\nrequire github.com/pandakit/panda v0.0.0\n\nreplace github.com/pandakit/panda => ./fake\n",
	"fake/go.mod":   "module github.com/pandakit/panda\n\ngo 1.26\n",
	"fake/panda.go": "package panda\n\nfunc NewService(name string) string { return name }\n",
	"web/main.go":   "package main\n\nimport \"github.com/pandakit/panda\"\n\nfunc main() { println(panda.NewService(\"web\")) }\n",
}

// run runs the command in the shop's folder, and wants it to leave no temporary file.
func run(ctx context.Context, t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	dir, temp := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("DOCKER_CONFIG", temp) // no credentials of whoever runs the test
	for name, text := range shop {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	environ := append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK=off")
	var out, told bytes.Buffer
	cmd := image.New(&command.Env{
		Stdout: &out, Stderr: &told, Dir: dir, Getenv: func(string) string { return "" }, Environ: func() []string { return environ },
	})
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(ctx)
	if left, _ := filepath.Glob(filepath.Join(temp, "panda-image-*")); len(left) > 0 {
		t.Errorf("the command has left %q", left)
	}
	return out.String(), told.String(), err
}

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestPush(t *testing.T) {
	host := serve(t, registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)))
	stdout, _, err := run(t.Context(), t, "web", "--push", host+"/shop/", "--tag", "1.0", "--platform", "linux/amd64", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var images []struct {
		Name, Digest string
		Platforms    []struct{ Platform string }
	}
	if err := json.Unmarshal([]byte(stdout), &images); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	if len(images) != 1 || images[0].Name != host+"/shop/web:1.0" || len(images[0].Platforms) != 1 {
		t.Fatalf("the command tells of %+v", images)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+host+"/v2/shop/web/manifests/1.0", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := resp.Header.Get("Docker-Content-Digest"); got != images[0].Digest {
		t.Errorf("the registry has %q, want %s", got, images[0].Digest)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	host := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	_, _, err := run(ctx, t, "web", "--push", host, "--tag", "1.0", "--platform", "linux/amd64")
	if err == nil || err.Error() != "image: interrupted" {
		t.Errorf("the command says %v", err)
	}
}
