package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
)

// wants fails unless err's text has every part.
func wants(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q; want %q in it", err, part)
		}
	}
}

func TestOpenRefusesWhatMakesNoSense(t *testing.T) {
	for host, part := range map[string]string{
		"nonsense":       `DOCKER_HOST: "nonsense" is no address of an engine; want unix:///PATH`,
		"unix://":        `DOCKER_HOST: "unix://" is no address`,
		"ssh://me@there": `ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock me@there`,
		"fd://3":         `engines are not reached by "fd"`,
	} {
		_, err := Open(t.Context(), environ("DOCKER_HOST", host))
		wants(t, err, part)
		if none, ok := errors.AsType[*NoneError](err); ok {
			t.Errorf("%s: %v is of the wrong setting, not of an engine that does not answer", host, none)
		}
	}
}

func TestOpenTellsWhatItTried(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "tcp://" + listener.Addr().String()
	listener.Close()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer page.Close()
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.24") }))
	defer old.Close()
	ill := httptest.NewServer(status(http.StatusServiceUnavailable, "starting"))
	defer ill.Close()
	for host, part := range map[string]string{
		closed: "nothing takes connections there",
		strings.Replace(page.URL, "http", "tcp", 1): "what answers is no container engine",
		strings.Replace(old.URL, "http", "tcp", 1):  "it speaks version 1.24 of the API; 1.40 is the least",
		strings.Replace(ill.URL, "http", "tcp", 1):  "starting",
	} {
		_, err := Open(t.Context(), environ("DOCKER_HOST", host))
		wants(t, err, "no container engine answers at "+host+", which DOCKER_HOST names: "+part)
		none, ok := errors.AsType[*NoneError](err)
		if !ok || !strings.Contains(none.Advice(), "start Docker or Podman") {
			t.Errorf("%s: got %T %v", host, err, err)
		}
	}
}

func TestOpenLooksAtTheUsualPlaces(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: an engine is a pipe here, with one name for the whole machine")
	}
	if _, err := os.Stat("/var/run/docker.sock"); err == nil {
		t.Skip("SKIPPED: this machine has an engine at the usual place")
	}
	home, err := os.MkdirTemp("", "home-") //nolint:usetesting // a socket's path has 107 bytes, of which t.TempDir takes most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	_, err = Open(t.Context(), environ("HOME", home, "XDG_RUNTIME_DIR", filepath.Join(home, "run")))
	wants(t, err, "no container engine answers: nothing is at unix:///var/run/docker.sock, unix://"+home+"/run/docker.sock, ")

	socket := filepath.Join(home, ".colima", "default", "docker.sock")
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		fmt.Fprint(w, `{"Version":"9.9"}`)
	})}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	e, err := Open(t.Context(), environ("HOME", home))
	if err != nil || e.String() != "engine 9.9 at unix://"+socket {
		t.Fatalf("got %v, %v", e, err)
	}
	e.Close()
}

func TestOpenUsesDockersContext(t *testing.T) {
	folder := t.TempDir()
	_, err := Open(t.Context(), environ("DOCKER_CONFIG", folder, "DOCKER_CONTEXT", "lab"))
	wants(t, err, `DOCKER_CONTEXT: there is no context "lab"`)
	write(t, filepath.Join(folder, "config.json"), `{"currentContext": "lab"}`)
	_, err = Open(t.Context(), environ("DOCKER_CONFIG", folder))
	wants(t, err, `config.json: there is no context "lab"`, "docker context ls")
	sum := sha256.Sum256([]byte("lab"))
	meta := filepath.Join(folder, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json")
	write(t, meta, `{"Name":"lab","Endpoints":{"docker":{"Host":"tcp://127.0.0.1:1"}}}`)
	_, err = Open(t.Context(), environ("DOCKER_CONFIG", folder))
	wants(t, err, `no container engine answers at tcp://127.0.0.1:1, which Docker's context "lab" names`)
	write(t, meta, `{"Endpoints":{"docker":{"Host":"ssh://there"}}}`)
	_, err = Open(t.Context(), environ("DOCKER_CONFIG", folder))
	wants(t, err, `Docker's context "lab": ssh://there: an engine is not reached over SSH`)
	write(t, filepath.Join(folder, "config.json"), `{`)
	_, err = Open(t.Context(), environ("DOCKER_CONFIG", folder))
	wants(t, err, "config.json")
}

func TestOpenNamesMissingCertificates(t *testing.T) {
	folder := t.TempDir()
	_, err := Open(t.Context(), environ("DOCKER_HOST", "tcp://127.0.0.1:1", "DOCKER_TLS_VERIFY", "1", "DOCKER_CERT_PATH", folder))
	wants(t, err, filepath.Join(folder, "ca.pem"))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAdviceForASocketOfOthers(t *testing.T) {
	none := &NoneError{Tried: []Attempt{{Host: "unix:///a", Err: fs.ErrPermission}, {Host: "unix:///b", Err: fs.ErrNotExist}}}
	if got := none.Error(); got != "no container engine answers: unix:///a: permission denied; nothing is at unix:///b" {
		t.Error(got)
	}
	if !strings.Contains(none.Advice(), "group of the socket") {
		t.Error(none.Advice())
	}
}

func TestStartTakesFromTheImageWhatIsTheImages(t *testing.T) {
	var made container.CreateRequest
	f, e := serve(t, map[string]http.HandlerFunc{
		"POST /containers/create": func(w http.ResponseWriter, r *http.Request) {
			if err := json.NewDecoder(r.Body).Decode(&made); err != nil {
				t.Error(err)
			}
			fmt.Fprint(w, `{"Id":"new"}`)
		},
	})
	template, err := e.Template(t.Context(), "rpc-1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := e.Start(t.Context(), template, Change{
		Name: "rpc-2", Image: "rpc:2", Env: map[string]string{"PANDA_WEIGHT": "5"}, Unset: []string{"PANDA_INSTANCE"},
		Labels: map[string]string{NumberLabel: "2"},
	})
	if err != nil || c.Name != "rpc-2" {
		t.Fatalf("got %v, %v", c, err)
	}
	want := container.Config{
		Image: "rpc:2", Env: []string{"A=1", "PANDA_WEIGHT=5"}, Cmd: []string{"-v"},
		Labels: map[string]string{ServiceLabel: "rpc", NumberLabel: "2"}, StopTimeout: made.StopTimeout,
	}
	if !reflect.DeepEqual(*made.Config, want) || *made.StopTimeout != 35 {
		t.Errorf("got\n%+v\nwant\n%+v", *made.Config, want)
	}
	first := map[string]*network.EndpointSettings{"front": {Aliases: []string{"rpc"}}}
	if got := made.NetworkingConfig.EndpointsConfig; !reflect.DeepEqual(got, first) || !f.was("POST /networks/back/connect") {
		t.Errorf("networks: got %+v; asked %q", got["front"], f.asked)
	}
	if !f.was("POST /containers/create?name=rpc-2") {
		t.Errorf("asked %q", f.asked)
	}
}

func TestAFailedStartLeavesNothing(t *testing.T) {
	for question, answer := range map[string]http.HandlerFunc{
		"POST /networks/back/connect": status(http.StatusNotFound, "network back not found"),
		"POST /containers/new/start":  status(http.StatusInternalServerError, "exec: /rpc: no such file"),
		"GET /containers/new/json":    hang,
	} {
		f, e := serve(t, map[string]http.HandlerFunc{question: answer})
		e.ask = 200 * time.Millisecond
		template, err := e.Template(t.Context(), "rpc-1")
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Start(t.Context(), template, Change{Name: "rpc-2"})
		if err == nil {
			t.Errorf("%s: no error", question)
		}
		if !f.was("DELETE /containers/new?force=1&v=1") {
			t.Errorf("%s: %v; it was left there; asked %q", question, err, f.asked)
		}
	}
}

func TestAnInterruptedStartLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f, e := serve(t, map[string]http.HandlerFunc{
		"POST /containers/create": func(w http.ResponseWriter, _ *http.Request) {
			cancel()
			fmt.Fprint(w, `{"Id":"new"}`)
		},
	})
	template, err := e.Template(t.Context(), "rpc-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = e.Start(ctx, template, Change{Name: "rpc-2"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if !f.was("POST /containers/new/stop?t=10") || !f.was("DELETE /containers/new?force=1&v=1") {
		t.Errorf("it was left there, or had no time to end; asked %q", f.asked)
	}
}

func TestStartRefuses(t *testing.T) {
	_, e := serve(t, map[string]http.HandlerFunc{
		"POST /containers/create": status(http.StatusConflict, `Conflict. The container name "/rpc-2" is already in use`),
	})
	template, err := e.Template(t.Context(), "rpc-1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Start(t.Context(), template, Change{Name: "rpc-2", Image: "rpc:absent"})
	if missing, ok := errors.AsType[*MissingError](err); !ok || missing.Kind != "image" || missing.Name != "rpc:absent" {
		t.Errorf("got %v", err)
	}
	_, err = e.Start(t.Context(), template, Change{Name: "rpc-2", Image: "web:1"})
	wants(t, err, `image "web:1" is of service "web", not of "rpc"`)
	_, err = e.Start(t.Context(), template, Change{Name: "rpc-2"})
	if taken, ok := errors.AsType[*NameTakenError](err); !ok || taken.Name != "rpc-2" {
		t.Errorf("got %v", err)
	}
}

func TestTemplateRefusesWhatNoTwoCanHave(t *testing.T) {
	_, e := serve(t, nil)
	for id, part := range map[string]string{
		"published": `no second container like "rpc-1" can run beside it: its port 8080/tcp is published as port 18080 of the host`,
		"joined":    "it is in the network of another container (container:0123)",
		"unwilling": `it has the fixed address 10.1.0.9 in network "back"`,
	} {
		_, err := e.Template(t.Context(), id)
		wants(t, err, part)
		if twice, ok := errors.AsType[*NotTwiceError](err); !ok || twice.Advice == "" {
			t.Errorf("%s: got %T", id, err)
		}
	}
	for _, id := range []string{"free", "imageless"} {
		if _, err := e.Template(t.Context(), id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestInspect(t *testing.T) {
	_, e := serve(t, nil)
	c, err := e.Inspect(t.Context(), "rpc-1")
	if err != nil {
		t.Fatal(err)
	}
	if !c.Running() || c.Version != "1.0" || c.Address().String() != "10.0.0.2" || len(c.Addresses()) != 2 || c.Restarts != 2 || c.Grace != 35*time.Second {
		t.Errorf("got %+v", c)
	}
	_, err = e.Inspect(t.Context(), "broken")
	wants(t, err, `look up container "broken": `, "does not say all of it")
	_, err = e.Inspect(t.Context(), "nonsense")
	wants(t, err, `look up container "nonsense": invalid character`)
	_, err = e.Inspect(t.Context(), "absent")
	if missing, ok := errors.AsType[*MissingError](err); !ok || missing.Kind != "container" {
		t.Errorf("got %v", err)
	}
}

func TestQuestionsAreBounded(t *testing.T) {
	_, e := serve(t, nil)
	e.ask = 50 * time.Millisecond
	_, err := e.Inspect(t.Context(), "slow")
	wants(t, err, `look up container "slow": tcp://127.0.0.1:`, "did not answer within 50ms")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = e.Inspect(ctx, "slow")
	wants(t, err, `look up container "slow": interrupted`)
}

func TestStopAndRemove(t *testing.T) {
	f, e := serve(t, nil)
	exit, err := e.Stop(t.Context(), "rpc-1", 1500*time.Millisecond)
	if err != nil || exit != (Exit{}) || !f.was("POST /containers/rpc-1/stop?t=2") {
		t.Errorf("got %v, %v; asked %q", exit, err, f.asked)
	}
	exit, err = e.Stop(t.Context(), "gone", time.Minute)
	if err != nil || exit != (Exit{}) {
		t.Errorf("one that the engine removes: got %v, %v", exit, err)
	}
	_, err = e.Stop(t.Context(), "unwilling", time.Second)
	wants(t, err, `stop container "unwilling": cannot stop container`)
	if err := e.Remove(t.Context(), "gone"); err != nil {
		t.Errorf("one that is gone: %v", err)
	}
	if err := e.Remove(t.Context(), "going"); err != nil || !f.was("POST /containers/going/wait?condition=removed") {
		t.Errorf("one that is being removed: %v; asked %q", err, f.asked)
	}
	wants(t, e.Remove(t.Context(), "unwilling"), `remove container "unwilling": driver busy`)
}

func TestStopTellsWhatWasKilled(t *testing.T) {
	_, e := serve(t, map[string]http.HandlerFunc{
		"GET /containers/rpc-1/json": body(strings.Replace(one, `"Running":true`, `"ExitCode":137`, 1)),
	})
	exit, err := e.Stop(t.Context(), "rpc-1", time.Second)
	if err != nil || exit != (Exit{Code: 137, Killed: true}) {
		t.Errorf("got %v, %v", exit, err)
	}
}

func TestLoad(t *testing.T) {
	for answer, want := range map[string]string{
		`{"stream":"Loaded image: rpc:1\n"}` + "\n" + `{"stream":"Loaded image ID: sha256:12\n"}`: "rpc:1 sha256:12",
		`{"stream":"Loaded image: localhost/a:1,localhost/b:1\n"}`:                                "localhost/a:1 localhost/b:1",
		"not JSON\n" + `{"stream":"Loaded image: rpc:1"}`:                                         "rpc:1",
	} {
		_, e := serve(t, map[string]http.HandlerFunc{"POST /images/load": body(answer)})
		got, err := e.Load(t.Context(), strings.NewReader("tarball"))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, %v", answer, got, err)
		}
	}
	for answer, part := range map[string]string{
		`{"error":"unexpected EOF"}`: "unexpected EOF",
		`{"stream":"nothing"}`:       "the engine took in none",
	} {
		_, e := serve(t, map[string]http.HandlerFunc{"POST /images/load": body(answer)})
		_, err := e.Load(t.Context(), strings.NewReader("tarball"))
		wants(t, err, "load an image into tcp://127.0.0.1:", part)
	}
}
