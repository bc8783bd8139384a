package deploy_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// made is where the files are that the renderers' own tests compare with.
const made = "../../internal/deploy/testdata"

func read(t *testing.T, parts ...string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{made}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestComposeLoads has Compose's own loader read the files, with its schema and all of its checks.
func TestComposeLoads(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"shop", "small"} {
		project := loadCompose(t, read(t, "compose", name, "compose.yaml"), types.Mapping{"DB_PASSWORD": "secret"})
		if name != "shop" {
			continue
		}
		services := slices.Sorted(maps.Keys(project.Services))
		want := []string{"consul-1", "consul-2", "consul-3", "consul-agent", "migrate", "orders-1", "orders-2", "orders-3", "web-1", "web-2"}
		if !slices.Equal(services, want) {
			t.Errorf("services %q, want %q", services, want)
		}
		checkOrders(t, project.Services["orders-2"])
	}
}

func checkOrders(t *testing.T, orders types.ServiceConfig) {
	t.Helper()
	for variable, want := range map[string]string{
		"PANDA_INSTANCE": "orders-2", "PANDA_ADDR": ":8080", "CONSUL_HTTP_ADDR": "consul-agent:8500", "DB_PASSWORD": "secret", "A": "b\nc",
		"GREETING": `50% of "$5" \ more`, "GOMEMLIMIT": "230MiB",
	} {
		if got := orders.Environment[variable]; got == nil || *got != want {
			t.Errorf("orders-2 has %s = %v, want %q", variable, got, want)
		}
	}
	if orders.StopGracePeriod == nil || time.Duration(*orders.StopGracePeriod) != 96*time.Second {
		t.Errorf("orders-2 has %v to end", orders.StopGracePeriod)
	}
	if want := (types.ShellCommand{"-v", "$HOME", "100%", "a b"}); !slices.Equal(orders.Command, want) {
		t.Errorf("orders-2 has the arguments %q, want %q", orders.Command, want)
	}
	if orders.MemLimit != 256<<20 || orders.CPUS != 0.5 || !orders.ReadOnly || orders.Labels["dev.panda.service"] != "orders" {
		t.Errorf("orders-2 has limits %v, %v, a root that is read-only: %v, labels %v", orders.MemLimit, orders.CPUS, orders.ReadOnly, orders.Labels)
	}
}

// loadCompose reads a file as Compose does.
func loadCompose(t *testing.T, content []byte, environment types.Mapping) *types.Project {
	t.Helper()
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: t.TempDir(), Environment: environment, ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: content}},
	}, named)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// named gives the project its name, as -p does.
func named(options *loader.Options) { options.SetProjectName("shop", true) }

func TestComposeNamesTheSecretThatIsNotSet(t *testing.T) {
	t.Parallel()
	_, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{WorkingDir: t.TempDir(), ConfigFiles: []types.ConfigFile{
		{Filename: "compose.yaml", Content: read(t, "compose", "shop", "compose.yaml")},
	}}, named)
	if err == nil || !strings.Contains(err.Error(), "the secret db/password; set it in .env or in the environment") {
		t.Errorf("without the secret: %v", err)
	}
}

// object makes an empty one of a kind, or returns nil for a kind that is not expected.
func object(kind metav1.TypeMeta) any {
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 Service":
		return new(corev1.Service)
	case "apps/v1 Deployment":
		return new(appsv1.Deployment)
	case "apps/v1 StatefulSet":
		return new(appsv1.StatefulSet)
	case "apps/v1 DaemonSet":
		return new(appsv1.DaemonSet)
	case "batch/v1 Job":
		return new(batchv1.Job)
	case "policy/v1 PodDisruptionBudget":
		return new(policyv1.PodDisruptionBudget)
	case "kustomize.config.k8s.io/v1beta1 Kustomization":
		return new(kustomization)
	}
	return nil
}

// kustomization is what we use of kustomize's file.
type kustomization struct {
	metav1.TypeMeta

	Labels []struct {
		Pairs map[string]string `json:"pairs"`
	} `json:"labels"`
	Resources []string `json:"resources"`
}

// manifests decodes all documents of a folder strictly: a field that the type does not have, or one that is there twice,
// fails.
func manifests(t *testing.T, name string) []any {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(made, "kubernetes", name, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var objects []any
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for document := range bytes.SplitSeq(content, []byte("\n---\n")) {
			var kind metav1.TypeMeta
			if err := yaml.Unmarshal(document, &kind); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			into := object(kind)
			if into == nil {
				t.Errorf("%s has a %s of %s", file, kind.Kind, kind.APIVersion)
				continue
			}
			if err := yaml.UnmarshalStrict(document, into); err != nil {
				t.Errorf("%s: %s: %v", file, kind.Kind, err)
			}
			objects = append(objects, into)
		}
	}
	return objects
}

func TestKubernetesDecodes(t *testing.T) {
	t.Parallel()
	manifests(t, "small")
	kinds := map[string]int{}
	for _, o := range manifests(t, "shop") {
		switch o := o.(type) {
		case *appsv1.Deployment:
			kinds["Deployment"]++
			checkPod(t, o.Name, o.Spec.Template, o.Spec.Selector)
			checkDeployment(t, o)
		case *appsv1.StatefulSet:
			kinds["StatefulSet"]++
			checkPod(t, o.Name, o.Spec.Template, o.Spec.Selector)
		case *appsv1.DaemonSet:
			kinds["DaemonSet"]++
			checkPod(t, o.Name, o.Spec.Template, o.Spec.Selector)
		case *batchv1.Job:
			kinds["Job"]++
			checkPod(t, o.Name, o.Spec.Template, nil)
		case *corev1.Service:
			kinds["Service"]++
		case *policyv1.PodDisruptionBudget:
			kinds["PodDisruptionBudget"]++
		}
	}
	want := map[string]int{"Deployment": 2, "StatefulSet": 1, "DaemonSet": 1, "Job": 1, "Service": 3, "PodDisruptionBudget": 3}
	if !maps.Equal(kinds, want) {
		t.Errorf("there are %v, want %v", kinds, want)
	}
}

// checkPod wants what the restricted Pod Security Standard does, and volumes for all that is mounted.
func checkPod(t *testing.T, name string, pod corev1.PodTemplateSpec, selector *metav1.LabelSelector) {
	t.Helper()
	if selector != nil {
		for label, value := range selector.MatchLabels {
			if pod.Labels[label] != value {
				t.Errorf("%s selects %s=%s, which its pods have not", name, label, value)
			}
		}
	}
	s := pod.Spec.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s: its pods are not restricted: %+v", name, s)
	}
	volumes := map[string]bool{"data": name == "consul-server"} // from a claim of each pod's own
	for _, volume := range pod.Spec.Volumes {
		volumes[volume.Name] = true
	}
	for _, c := range pod.Spec.Containers {
		s := c.SecurityContext
		if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Capabilities == nil ||
			!slices.Contains(s.Capabilities.Drop, "ALL") || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
			t.Errorf("%s: container %s is not restricted: %+v", name, c.Name, s)
		}
		for _, mount := range c.VolumeMounts {
			if !volumes[mount.Name] {
				t.Errorf("%s: container %s mounts %s, which is no volume", name, c.Name, mount.Name)
			}
		}
	}
}

func checkDeployment(t *testing.T, d *appsv1.Deployment) {
	t.Helper()
	rolling := d.Spec.Strategy.RollingUpdate
	if rolling == nil || rolling.MaxUnavailable.IntValue() != 0 || rolling.MaxSurge.IntValue() != 1 {
		t.Errorf("%s is replaced by %+v", d.Name, rolling)
	}
	grace := map[string]int64{"orders": 96, "web": 35}[d.Name]
	if got := d.Spec.Template.Spec.TerminationGracePeriodSeconds; got == nil || *got != grace {
		t.Errorf("%s has %v to end, want %d", d.Name, got, grace)
	}
	c := d.Spec.Template.Spec.Containers[0]
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		if probe == nil || probe.GRPC == nil || probe.GRPC.Port != 8080 {
			t.Errorf("%s has the probe %+v", d.Name, probe)
		}
	}
	if d.Name == "orders" && (c.Resources.Limits.Memory().Value() != 256<<20 || c.Resources.Limits.Cpu().MilliValue() != 500) {
		t.Errorf("orders has the limits %v", c.Resources.Limits)
	}
}

// TestSystemdVerifies has systemd read the units. Their programs are stand-ins, since it wants them to be there.
func TestSystemdVerifies(t *testing.T) {
	t.Parallel()
	verifier, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("SKIPPED: systemd-analyze is not on PATH (Debian's systemd has it)")
	}
	for _, name := range []string{"shop", "small"} {
		folder := t.TempDir()
		program, err := exec.LookPath("true")
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(made, "systemd", name, "*.service"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		arguments := []string{"verify", "--man=no", "--recursive-errors=yes"}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(content), "\nExecStart=/usr/local/bin/") {
				t.Errorf("%s starts no program of /usr/local/bin", file)
			}
			text := replaceProgram(string(content), program)
			unit := strings.Replace(filepath.Base(file), "@.", "@8080.", 1) // an instance of a template
			if err := os.WriteFile(filepath.Join(folder, filepath.Base(file)), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			arguments = append(arguments, filepath.Join(folder, unit))
		}
		cmd := exec.CommandContext(t.Context(), verifier, arguments...)
		cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+folder+":")
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), folder) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// replaceProgram puts a program that is there in place of the one that ExecStart names.
func replaceProgram(unit, program string) string {
	before, after, _ := strings.Cut(unit, "\nExecStart=")
	_, rest, _ := strings.Cut(after, "\n")
	words := strings.SplitN(strings.TrimSuffix(after, rest), " ", 2)
	if len(words) == 1 {
		return before + "\nExecStart=" + program + "\n" + rest
	}
	return before + "\nExecStart=" + program + " " + words[1] + rest
}
