package containers_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/conformance/dockerd"
	"github.com/pandakit/panda/conformance/drill"
	"github.com/pandakit/panda/conformance/drill/drillpb"
	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/cli"
	"github.com/pandakit/panda/internal/cli/command"
)

const (
	callers  = 6 // that read, and as many that write
	enough   = 10_000
	patience = 60 * time.Second
)

func TestMain(m *testing.M) {
	code := m.Run()
	if shared != nil {
		shared.close()
	}
	dockerd.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// world is a network of the engine with a real Consul, and the images of a service.
type world struct {
	engine   *dockerd.Engine
	name     string // of the network, and the start of every other name
	consul   string // its address
	registry *consul.Registry
}

var (
	once   sync.Once
	shared *world
)

// start returns the world of this test process, which the first call makes.
func start(t *testing.T) *world {
	t.Helper()
	engine := dockerd.Get(t)
	once.Do(func() {
		shared = &world{engine: engine, name: "panda-test-" + strconv.Itoa(os.Getpid())}
		shared.build(t)
	})
	if shared.registry == nil {
		t.Fatal("the network with Consul was not made; see the first test")
	}
	return shared
}

func (w *world) build(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	dockerd.BuildStatic(t, "./service", filepath.Join(folder, "service"))
	for version, more := range map[string]string{"1": "", "2": "", "broken": "ENV FAULT=calls\n", "dead": "ENV FAULT=start\n"} {
		text := "FROM scratch\nCOPY service /service\nENV PANDA_ADDR=:8080\nENTRYPOINT [\"/service\"]\n" + more +
			"LABEL org.opencontainers.image.version=" + version + "\n"
		if err := os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.engine.Run(t, "build", "--quiet", "--tag", w.image(version), folder)
	}
	binary, err := realconsul.Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.engine.Run(t, "network", "create", w.name)
	w.engine.Run(t, "run", "--detach", "--name", w.name+"-consul", "--network", w.name, "--network-alias", "consul",
		"--volume", binary+":/consul:ro", "--entrypoint", "/consul", w.image("1"),
		"agent", "-dev", "-client=0.0.0.0", "-bind={{ GetInterfaceIP \"eth0\" }}", "-log-level=warn",
		"-hcl=performance { raft_multiplier = 1 }", "-hcl=limits { http_max_conns_per_client = 10000 }")
	w.consul = w.engine.Run(t, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", w.name+"-consul") + ":8500"
	eventually(t, "Consul has a leader", func() bool {
		resp, err := http.Get("http://" + w.consul + "/v1/status/leader")
		if err != nil {
			return false
		}
		defer http.DefaultClient.CloseIdleConnections()
		defer resp.Body.Close()
		var leader bytes.Buffer
		_, _ = leader.ReadFrom(resp.Body)
		return leader.Len() > len(`""`)
	})
	if w.registry, err = consul.New(consul.Config{Addresses: []string{w.consul}}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) image(version string) string { return w.name + ":" + version }

// close removes everything that carries the world's name.
func (w *world) close() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ids, _ := w.engine.Command(ctx, "ps", "--all", "--quiet", "--filter", "name="+w.name).Output()
	_ = w.engine.Command(ctx, append([]string{"rm", "--force"}, strings.Fields(string(ids))...)...).Run()
	_ = w.engine.Command(ctx, "network", "rm", w.name).Run()
	_ = w.engine.Command(ctx, "rmi", "--force", w.image("1"), w.image("2"), w.image("broken"), w.image("dead")).Run()
}

// service is containers of one service, as Compose makes them, and callers that count.
type service struct {
	*world

	name string
	load *drill.Load
}

// serve starts that many containers of version 1, and callers once all are registered.
func (w *world) serve(t *testing.T, name string, replicas int) *service {
	t.Helper()
	s := &service{world: w, name: name}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		for _, container := range s.containers(ctx, "--all") {
			if t.Failed() {
				logs, _ := w.engine.Command(ctx, "logs", "--tail", "20", container).CombinedOutput()
				t.Logf("%s:\n%s", container, logs)
			}
			_ = w.engine.Command(ctx, "rm", "--force", container).Run()
		}
	})
	for n := 1; n <= replicas; n++ {
		w.engine.Run(t, "run", "--detach", "--name", fmt.Sprintf("%s-%s-%d", w.name, name, n), "--network", w.name, "--network-alias", name,
			"--env", "SERVICE="+name, "--env", "CONSUL_HTTP_ADDR=consul:8500", "--env", "PANDA_WEIGHT=100", "--restart", "unless-stopped",
			"--memory", "256m", "--stop-timeout", "35", "--label", "dev.panda.service="+name,
			"--label", "com.docker.compose.project="+w.name, "--label", "com.docker.compose.service="+name,
			"--label", "com.docker.compose.oneoff=False", "--label", "com.docker.compose.container-number="+strconv.Itoa(n), w.image("1"))
	}
	s.registered(t, replicas)
	conn, err := panda.Dial(name, panda.WithRegistry(w.registry))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s.load = drill.StartLoad(drillpb.NewDrillClient(conn), callers)
	t.Cleanup(func() { s.load.Stop() })
	return s
}

// registered waits until exactly that many instances are passing.
func (s *service) registered(t *testing.T, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last discovery.Snapshot
	_ = s.registry.Watch(ctx, s.name, func(known discovery.Snapshot) {
		last = known
		if known.Err == nil && len(known.Usable()) == want && len(known.Instances) == want {
			cancel()
		}
	})
	if len(last.Usable()) != want {
		t.Fatalf("%s: want %d instances; last %+v", s.name, want, last)
	}
}

// containers returns the names of the service's containers, sorted, without what is the same in all.
func (s *service) containers(ctx context.Context, more ...string) []string {
	out, _ := s.engine.Command(ctx, append([]string{"ps", "--filter", "label=dev.panda.service=" + s.name, "--format", "{{.Names}}"}, more...)...).Output()
	names := strings.Fields(string(out))
	slices.Sort(names)
	return names
}

// names returns which numbers the service's containers have, running or not, each with the version of its image: "1:v1".
func (s *service) numbers(t *testing.T) string {
	t.Helper()
	out := s.engine.Run(t, "ps", "--all", "--filter", "label=dev.panda.service="+s.name,
		"--format", `{{.Names}}:v{{.Label "org.opencontainers.image.version"}}`)
	list := strings.Fields(strings.ReplaceAll(out, s.world.name+"-"+s.name+"-", ""))
	slices.Sort(list)
	return strings.Join(list, " ")
}

// calls waits until so many more calls have been answered.
func (s *service) calls(t *testing.T, more int) {
	t.Helper()
	answered := func() (n int) {
		for _, calls := range s.load.Answers() {
			n += calls
		}
		return n
	}
	want := answered() + more
	eventually(t, fmt.Sprintf("%d more calls", more), func() bool { return answered() >= want })
}

// noneFailed ends the load and fails for calls that failed, and for fewer than were wanted.
func (s *service) noneFailed(t *testing.T, want int) {
	t.Helper()
	reads, writes := s.load.Stop()
	t.Logf("%d calls", reads.Calls+writes.Calls)
	for _, failed := range append(reads.Failed, writes.Failed...)[:min(5, len(reads.Failed)+len(writes.Failed))] {
		t.Errorf("a call failed: %v", failed.Err)
	}
	if n := len(reads.Failed) + len(writes.Failed); n > 0 || reads.Calls+writes.Calls < want {
		t.Errorf("%d calls, of which %d failed; want %d and none", reads.Calls+writes.Calls, n, want)
	}
}

// panda runs the command and returns its exit code and what it wrote.
func (w *world) panda(ctx context.Context, t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	environment := map[string]string{"DOCKER_HOST": w.engine.Host, "CONSUL_HTTP_ADDR": w.consul, "XDG_RUNTIME_DIR": t.TempDir()}
	code = cli.Main(ctx, &command.Env{
		Program: "panda", Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Dir: t.TempDir(),
		Getenv: func(name string) string { return environment[name] }, Environ: os.Environ,
	})
	return code, out.String(), errs.String()
}

// eventually waits for a condition, which it asks every 20 ms.
func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}
