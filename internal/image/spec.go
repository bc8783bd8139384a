package image

import (
	"cmp"
	"maps"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// How often a container is asked whether it is well: three failures in a row make it unhealthy. One that starts has
// time until then.
const (
	healthInterval = 5 * time.Second
	healthTimeout  = 3 * time.Second
	healthStart    = 5 * time.Second
	healthRetries  = 3
)

const searchPath = "PATH=/usr/local/bin"

// path is where the program is in the image.
func (s Spec) path() string { return "/usr/local/bin/" + cmp.Or(s.Program, s.Name) }

func (s Spec) created() time.Time {
	if s.Created.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return s.Created.UTC()
}

func (s Spec) config() v1.Config {
	config := v1.Config{
		User:       User,
		Env:        append([]string{searchPath}, s.Env...),
		Entrypoint: []string{s.path()},
		Cmd:        s.Args,
		WorkingDir: "/",
		StopSignal: "SIGTERM",
		Labels:     s.labels(),
	}
	config.Labels[ServiceLabel] = s.Name
	if len(s.Ports) > 0 {
		config.ExposedPorts = set(s.Ports)
	}
	if len(s.Volumes) > 0 {
		config.Volumes = set(s.Volumes)
	}
	if len(s.Health) > 0 {
		config.Healthcheck = &v1.HealthConfig{
			Test: append([]string{"CMD"}, s.Health...), Interval: healthInterval, Timeout: healthTimeout,
			StartPeriod: healthStart, Retries: healthRetries,
		}
	}
	return config
}

func set(names []string) map[string]struct{} {
	members := make(map[string]struct{}, len(names))
	for _, name := range names {
		members[name] = struct{}{}
	}
	return members
}

// labels are those that the OCI defines, as far as something is known.
func (s Spec) labels() map[string]string {
	const prefix = "org.opencontainers.image."
	labels := map[string]string{
		prefix + "title": s.Name, prefix + "version": s.Version, prefix + "revision": s.Revision, prefix + "source": s.Source,
	}
	if !s.Created.IsZero() {
		labels[prefix+"created"] = s.created().Format(time.RFC3339)
	}
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	return labels
}

// SourceURL returns where the source of a module is, as far as its path tells: for the forges whose paths are addresses.
// It is "" for others.
func SourceURL(module string) string {
	parts := strings.Split(module, "/")
	if len(parts) < 3 {
		return ""
	}
	switch parts[0] {
	case "github.com", "gitlab.com", "gitee.com", "bitbucket.org", "codeberg.org":
		return "https://" + strings.Join(parts[:3], "/")
	}
	return ""
}
