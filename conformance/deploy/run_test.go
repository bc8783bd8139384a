package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/pandakit/panda/conformance/dockerd"
	"github.com/pandakit/panda/conformance/freeport"
	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/internal/deploy"
)

// patience bounds each wait; it is never reached by what works.
const patience = 90 * time.Second

// consulImage is the stand-in for Consul's image: the same program at the same place, for the same user.
const consulImage = `FROM scratch
COPY --chown=100:1000 data /consul/data
COPY consul /bin/consul
`

const serviceImage = `FROM scratch
COPY service /service
USER 65532:65532
ENV PANDA_ADDR=:8080
ENTRYPOINT ["/service"]
`

// deployment is a Compose project on an engine.
type deployment struct {
	engine           *dockerd.Engine
	folder, project  string
	program          string
	servicePort, api int // the first instance's, and the agent's
}

// TestComposeRuns has Compose run a file that is made: the servers elect a leader, three
// instances are registered, a call through the host is answered, and everything ends by itself.
func TestComposeRuns(t *testing.T) {
	program, err := exec.LookPath("docker-compose")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("docker-compose is not on PATH")
		}
		t.Skip("SKIPPED: docker-compose is not on PATH (Debian's docker-compose has it)")
	}
	d := &deployment{engine: dockerd.Get(t), folder: t.TempDir(), project: "deploy-" + strconv.Itoa(os.Getpid()), program: program}
	d.servicePort, d.api = consecutivePorts(t), freeport.Find(t, 1)[0]
	d.images(t)
	d.write(t)
	t.Cleanup(func() {
		_ = d.compose(context.Background(), "down", "--volumes", "--timeout", "5").Run() // after a failure; else it is gone
		_ = d.engine.Command(context.Background(), "rmi", d.project+"-hello:1", d.project+"-consul:1").Run()
	})
	d.run(t, "up", "--detach")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d.await(ctx, t, "/v1/status/peers", 3)
	d.await(ctx, t, "/v1/health/service/hello?passing", 3)
	for at := d.servicePort; at < d.servicePort+3; at++ {
		call(ctx, t, at)
	}
	d.run(t, "stop")
	instances := d.engine.Run(t, "ps", "--all", "--quiet", "--filter", "label=dev.panda.service=hello",
		"--filter", "label=com.docker.compose.project="+d.project)
	if len(strings.Fields(instances)) != 3 {
		t.Errorf("containers labelled with the service: %q, want three", instances)
	}
	for id := range strings.FieldsSeq(instances) {
		if state := d.engine.Run(t, "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", id); state != "exited 0" {
			t.Errorf("%s is %s after the stop\n%s", id, state, d.engine.Run(t, "logs", id))
		}
	}
	d.run(t, "down", "--volumes")
}

// consecutivePorts returns the first of three free ports in a row.
func consecutivePorts(t *testing.T) int {
	t.Helper()
	for range 100 {
		first := freeport.Find(t, 1)[0]
		if first+2 <= 65535 && free(first+1) && free(first+2) {
			return first
		}
	}
	t.Fatal("no three free ports in a row")
	return 0
}

func free(port int) bool {
	listener, err := net.Listen("tcp", freeport.Local(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// images builds the stand-ins.
func (d *deployment) images(t *testing.T) {
	t.Helper()
	consul, err := realconsul.Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	context := filepath.Join(d.folder, "images")
	if err := os.MkdirAll(filepath.Join(context, "data"), 0o750); err != nil {
		t.Fatal(err)
	}
	dockerd.BuildStatic(t, "./service", filepath.Join(context, "service"))
	if err := os.Link(consul, filepath.Join(context, "consul")); err != nil {
		copyFile(t, consul, filepath.Join(context, "consul"))
	}
	for name, text := range map[string]string{"consul": consulImage, "hello": serviceImage} {
		file := filepath.Join(d.folder, name+".Dockerfile")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		build := d.engine.Command(t.Context(), "build", "--quiet", "--tag", d.project+"-"+name+":1", "--file", file, context)
		build.Env = append(build.Env, "DOCKER_BUILDKIT=1")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	source, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(target, source)
	if closed := target.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
}

// write makes the file, and gives the agent a port of the test's own.
func (d *deployment) write(t *testing.T) {
	t.Helper()
	files, err := deploy.Render(deploy.Compose, deploy.Plan{
		Project: d.project, Consul: deploy.Consul{Image: d.project + "-consul:1"},
		Services: []deploy.Service{{
			Name: "hello", Image: d.project + "-hello:1", Replicas: 3, Drain: deploy.DefaultDrain, MilliCPU: 500, Memory: 64 << 20,
			Expose: d.servicePort,
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	const published = `"127.0.0.1:8500:8500"`
	text := string(files[0].Content)
	if strings.Count(text, published) != 1 {
		t.Fatalf("%s does not publish %s:\n%s", files[0].Path, published, text)
	}
	text = strings.Replace(text, published, fmt.Sprintf(`"127.0.0.1:%d:8500"`, d.api), 1)
	if err := os.WriteFile(d.file(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d *deployment) file() string { return filepath.Join(d.folder, "compose.yaml") }

func (d *deployment) compose(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.program, append([]string{"--project-name", d.project, "--file", d.file()}, args...)...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+d.engine.Host)
	return cmd
}

func (d *deployment) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := d.compose(t.Context(), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		logs, _ := d.compose(t.Context(), "logs", "--tail", "20").CombinedOutput() // of what there is
		t.Fatalf("docker-compose %s: %v\n%s%s\n%s", strings.Join(args, " "), err, out, stderr.String(), logs)
	}
	return strings.TrimSpace(string(out))
}

// await asks the agent until it answers with a list of this length.
func (d *deployment) await(ctx context.Context, t *testing.T, path string, length int) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		answer := ask(ctx, fmt.Sprintf("http://127.0.0.1:%d%s", d.api, path))
		var list []json.RawMessage
		if json.Unmarshal([]byte(answer), &list) == nil && len(list) == length {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			logs, _ := d.compose(context.WithoutCancel(ctx), "logs", "--tail", "20").CombinedOutput() // of what there is
			t.Fatalf("%s: still %q\n%s", path, answer, logs)
		}
	}
}

func ask(ctx context.Context, url string) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err.Error()
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// call asks an instance through the port of the host that is its own.
func call(ctx context.Context, t *testing.T, port int) {
	t.Helper()
	conn, err := grpc.NewClient(freeport.Local(port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("port %d answers %v, %v", port, answer, err)
	}
}
