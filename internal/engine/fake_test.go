package engine

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is an engine that answers what a test says: what a real one does only when it is broken, old or slow.
type fake struct {
	mu      sync.Mutex
	asked   []string
	answers map[string]http.HandlerFunc // by method and path without the version
}

var versioned = regexp.MustCompile(`^/v[0-9.]+`)

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	question := r.Method + " " + versioned.ReplaceAllString(r.URL.Path, "")
	f.mu.Lock()
	answer := f.answers[question]
	if r.URL.RawQuery != "" {
		question += "?" + r.URL.RawQuery
	}
	f.asked = append(f.asked, question)
	f.mu.Unlock()
	if answer == nil {
		answer = status(http.StatusNotFound, "no such thing")
	}
	w.Header().Set("Api-Version", "1.41")
	answer(w, r)
}

// was reports whether a question was put whose text begins so.
func (f *fake) was(asked string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.asked, func(q string) bool { return strings.HasPrefix(q, asked) })
}

func status(code int, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
	}
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(text))
	}
}

// hang answers nothing until the client gives up.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

const one = `{"Id":"0123456789abcdef","Name":"/rpc-1","Created":"2026-11-26T10:00:00.5Z","Image":"sha256:1","RestartCount":2,
"State":{"Status":"running","Running":true},
"Config":{"Image":"rpc:1","Hostname":"0123456789ab","Env":["A=1","PATH=/bin","PANDA_INSTANCE=rpc-1"],"Cmd":["-v"],"Entrypoint":["/rpc"],
  "Labels":{"dev.panda.service":"rpc","org.opencontainers.image.version":"1.0"},"StopTimeout":35},
"HostConfig":{"NetworkMode":"front"},
"NetworkSettings":{"Networks":{"front":{"IPAddress":"10.0.0.2","Aliases":["rpc","rpc-1","0123456789ab"]},"back":{"IPAddress":"10.1.0.2"}}}}`

// serve starts a fake that knows one container and two images, and returns an engine that asks it.
func serve(t *testing.T, answers map[string]http.HandlerFunc) (*fake, *Engine) {
	t.Helper()
	f := &fake{answers: map[string]http.HandlerFunc{
		"HEAD /_ping":                     func(http.ResponseWriter, *http.Request) {},
		"GET /version":                    body(`{"Version":"20.10.24","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}`),
		"GET /containers/rpc-1/json":      body(one),
		"GET /images/sha256:1/json":       body(`{"Id":"sha256:1","Config":{"Env":["PATH=/bin"],"Entrypoint":["/rpc"],"Labels":{"org.opencontainers.image.version":"1.0"}}}`),
		"GET /images/rpc:2/json":          body(`{"Id":"sha256:2","Config":{"Labels":{"dev.panda.service":"rpc"}}}`),
		"GET /images/web:1/json":          body(`{"Id":"sha256:3","Config":{"Labels":{"dev.panda.service":"web"}}}`),
		"POST /containers/create":         body(`{"Id":"new"}`),
		"POST /networks/back/connect":     body(`{}`),
		"POST /containers/new/start":      status(http.StatusNoContent, ""),
		"GET /containers/new/json":        body(strings.Replace(one, "rpc-1", "rpc-2", 1)),
		"POST /containers/new/stop":       status(http.StatusNoContent, ""),
		"DELETE /containers/new":          status(http.StatusNoContent, ""),
		"POST /containers/rpc-1/stop":     status(http.StatusNoContent, ""),
		"GET /containers/json":            body(`[]`),
		"POST /images/load":               body(`{"stream":"Loaded image: rpc:1\n"}`),
		"GET /containers/absent/json":     status(http.StatusNotFound, "No such container: absent"),
		"POST /containers/gone/stop":      status(http.StatusNoContent, ""),
		"GET /containers/gone/json":       status(http.StatusNotFound, "No such container: gone"),
		"DELETE /containers/gone":         status(http.StatusNotFound, "No such container: gone"),
		"DELETE /containers/going":        status(http.StatusConflict, "removal of container going is already in progress"),
		"POST /containers/going/wait":     body(`{"StatusCode":0}`),
		"GET /images/rpc:absent/json":     status(http.StatusNotFound, "No such image: rpc:absent"),
		"GET /containers/broken/json":     body(`{"Id":"broken"}`),
		"GET /containers/nonsense/json":   body(`<html>`),
		"POST /containers/unwilling/stop": status(http.StatusInternalServerError, "cannot stop container: unwilling: no reason"),
		"DELETE /containers/unwilling":    status(http.StatusInternalServerError, "driver busy"),
		"GET /containers/unwilling/json":  body(strings.Replace(one, `"IPAddress":"10.1.0.2"`, `"IPAMConfig":{"IPv4Address":"10.1.0.9"}`, 1)),
		"GET /containers/published/json":  body(strings.Replace(one, `"NetworkMode":"front"`, `"NetworkMode":"front","PortBindings":{"8080/tcp":[{"HostPort":"18080"}]}`, 1)),
		"GET /containers/free/json":       body(strings.Replace(one, `"NetworkMode":"front"`, `"NetworkMode":"front","PortBindings":{"8080/tcp":[{"HostPort":""},{"HostPort":"8000-8010"}]}`, 1)),
		"GET /containers/joined/json":     body(strings.Replace(one, `"NetworkMode":"front"`, `"NetworkMode":"container:0123"`, 1)),
		"GET /images/sha256:absent/json":  status(http.StatusNotFound, "No such image: sha256:absent"),
		"GET /containers/imageless/json":  body(strings.Replace(one, `"Image":"sha256:1"`, `"Image":"sha256:absent"`, 1)),
		"GET /containers/rpc-1/logs":      body("raw"),
		"GET /images/rpc:1/json":          body(`{"Id":"sha256:other"}`),
		"GET /containers/slow/json":       hang,
	}}
	maps.Copy(f.answers, answers)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	e, err := Open(t.Context(), environ("DOCKER_HOST", strings.Replace(server.URL, "http://", "tcp://", 1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	e.ask = 2 * time.Second
	return f, e
}

// environ returns a getenv of names and values.
func environ(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}
