package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// place is where an engine may listen.
type place struct {
	host   string // as in DOCKER_HOST
	source string // what names it: "DOCKER_HOST", `Docker's context "colima"`; "" for a usual socket
	tls    *keys
}

// keys are files of PEM; the last two may be "".
type keys struct{ ca, certificate, key string }

// fileLimit bounds what is read of Docker's configuration.
const fileLimit = 1 << 20

// find returns where to look, in order. An error is for a setting that makes no sense.
func find(getenv func(string) string) ([]place, error) {
	folder := dockerFolder(getenv)
	if host := getenv("DOCKER_HOST"); host != "" {
		p := place{host: host, source: "DOCKER_HOST"}
		if getenv("DOCKER_TLS_VERIFY") != "" {
			p.tls = certificates(getenv, folder)
		}
		return []place{p}, reachable(p)
	}
	p, err := currentContext(getenv, folder)
	if err != nil {
		return nil, err
	}
	if p != nil {
		return []place{*p}, reachable(*p)
	}
	return usual(getenv), nil
}

func certificates(getenv func(string) string, folder string) *keys {
	if path := getenv("DOCKER_CERT_PATH"); path != "" {
		folder = path
	}
	return &keys{filepath.Join(folder, "ca.pem"), filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")}
}

// reachable refuses what this process cannot connect to.
func reachable(p place) error {
	scheme, rest, found := strings.Cut(p.host, "://")
	pipes := runtime.GOOS == "windows"
	switch {
	case !found || rest == "":
		return fmt.Errorf("%s: %q is no address of an engine; want unix:///PATH, tcp://HOST:PORT or npipe:////./pipe/NAME", p.source, p.host)
	case scheme == "tcp", scheme == "http", scheme == "https", scheme == "unix" && !pipes, scheme == "npipe" && pipes:
		return nil
	case scheme == "ssh":
		return fmt.Errorf("%s: %s: an engine is not reached over SSH; forward its socket, as \"ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock %s\" does, and set DOCKER_HOST=unix:///tmp/engine.sock",
			p.source, p.host, rest)
	}
	return fmt.Errorf("%s: %q: engines are not reached by %q on this system", p.source, p.host, scheme)
}

// home returns the user's folder, "" when the environment does not say.
func home(getenv func(string) string) string {
	if runtime.GOOS == "windows" {
		return getenv("USERPROFILE")
	}
	return getenv("HOME")
}

func dockerFolder(getenv func(string) string) string {
	if folder := getenv("DOCKER_CONFIG"); folder != "" {
		return folder
	}
	return filepath.Join(home(getenv), ".docker")
}

// currentContext returns the place that Docker's own command would use, nil when that is the default one.
func currentContext(getenv func(string) string, folder string) (*place, error) {
	name, source := getenv("DOCKER_CONTEXT"), "DOCKER_CONTEXT"
	if name == "" {
		var config struct {
			CurrentContext string `json:"currentContext"` //nolint:tagliatelle // Docker's name
		}
		file := filepath.Join(folder, "config.json")
		if err := readJSON(file, &config); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		name, source = config.CurrentContext, file
	}
	if name == "" || name == "default" {
		return nil, nil //nolint:nilnil // none is set
	}
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := readJSON(filepath.Join(folder, "contexts", "meta", id, "meta.json"), &meta); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: there is no context %q of Docker's; see \"docker context ls\"", source, name)
		}
		return nil, err
	}
	p := &place{host: meta.Endpoints["docker"].Host, source: fmt.Sprintf("Docker's context %q", name)}
	material := filepath.Join(folder, "contexts", "tls", id, "docker")
	if _, err := os.Stat(filepath.Join(material, "ca.pem")); err == nil {
		p.tls = certificates(func(string) string { return "" }, material)
	}
	return p, nil
}

func readJSON(path string, v any) error {
	file, err := os.Open(path) //nolint:gosec // below the folder that the user's environment names
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, fileLimit))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// usual returns where engines listen when nobody has said otherwise, the most common first.
func usual(getenv func(string) string) []place {
	if runtime.GOOS == "windows" {
		return []place{{host: "npipe:////./pipe/docker_engine"}, {host: "npipe:////./pipe/podman-machine-default"}}
	}
	paths := []string{"/var/run/docker.sock"}
	if folder := getenv("XDG_RUNTIME_DIR"); folder != "" {
		paths = append(paths, filepath.Join(folder, "docker.sock"), filepath.Join(folder, "podman", "podman.sock"))
	}
	if folder := home(getenv); folder != "" {
		for _, path := range []string{
			".docker/run/docker.sock", ".docker/desktop/docker.sock", ".colima/default/docker.sock",
			".orbstack/run/docker.sock", ".rd/docker.sock",
		} {
			paths = append(paths, filepath.Join(folder, filepath.FromSlash(path)))
		}
	}
	paths = append(paths, "/run/podman/podman.sock")
	places := make([]place, len(paths))
	for i, path := range paths {
		places[i].host = "unix://" + path
	}
	return places
}

// Attempt is a place where no engine answered.
type Attempt struct {
	Host   string
	Source string // what named it; "" for a usual place
	Err    error
}

// NoneError says that there is no container engine: where it was looked for, and why each place was none.
type NoneError struct{ Tried []Attempt }

// Error names each place that holds something, and the others together.
func (e *NoneError) Error() string {
	if len(e.Tried) == 1 && e.Tried[0].Source != "" {
		return fmt.Sprintf("no container engine answers at %s, which %s names: %v", e.Tried[0].Host, e.Tried[0].Source, e.Tried[0].Err)
	}
	var reasons, absent []string
	for _, a := range e.Tried {
		if errors.Is(a.Err, fs.ErrNotExist) {
			absent = append(absent, a.Host)
		} else {
			reasons = append(reasons, fmt.Sprintf("%s: %v", a.Host, a.Err))
		}
	}
	if len(absent) > 0 {
		reasons = append(reasons, "nothing is at "+strings.Join(absent, ", "))
	}
	return "no container engine answers: " + strings.Join(reasons, "; ")
}

// Advice returns what to do about it.
func (e *NoneError) Advice() string {
	for _, a := range e.Tried {
		if errors.Is(a.Err, fs.ErrPermission) {
			return "only root and the group of the socket may use that engine: run the command as one of them"
		}
	}
	return "start Docker or Podman, or set DOCKER_HOST to where an engine listens, such as unix:///var/run/docker.sock"
}
