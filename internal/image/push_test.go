package image_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/pandakit/panda/internal/image"
)

// serve runs a handler on a socket of this machine and returns host:port.
func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// keeper is a registry in memory.
func keeper() http.Handler {
	return registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
}

func TestPushToARegistry(t *testing.T) {
	t.Parallel()
	packed := shared(t)
	host := serve(t, keeper())
	named := image.Named{Image: packed, Reference: host + "/shop/hello:1.2.0"}
	for range 2 { // what is there already is no hindrance
		if err := (image.Registry{}).Push(t.Context(), named); err != nil {
			t.Fatal(err)
		}
	}
	tag, err := name.NewTag(named.Reference)
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	options := []remote.Option{remote.WithContext(t.Context()), remote.WithTransport(transport)}
	index, err := remote.Index(tag, options...)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	got, err := index.Digest()
	want, wantErr := packed.Index.Digest()
	if err != nil || wantErr != nil || got != want {
		t.Errorf("the registry has %s, %v, want %s, %v", got, err, want, wantErr)
	}
	for _, v := range packed.Variants {
		digest, err := v.Image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		bills, err := remote.Referrers(tag.Digest(digest.String()), options...)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := bills.IndexManifest()
		if err != nil || len(manifest.Manifests) != 1 || manifest.Manifests[0].ArtifactType != image.SBOMType {
			t.Errorf("the image for %s has the referrers %+v, %v", v.Platform, manifest, err)
		}
	}
}

// credentials are those of one user for every registry.
type credentials struct{}

func (credentials) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: "panda", Password: "bamboo"}, nil
}

func TestPushWithCredentials(t *testing.T) {
	t.Parallel()
	packed := first(t)
	registry := keeper()
	host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "panda" || password != "bamboo" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
			return
		}
		registry.ServeHTTP(w, r)
	}))
	named := image.Named{Image: packed, Reference: host + "/hello:1"}
	if err := (image.Registry{Keychain: credentials{}}).Push(t.Context(), named); err != nil {
		t.Error(err)
	}
	err := (image.Registry{}).Push(t.Context(), named)
	refused, ok := errors.AsType[*image.PushError](err)
	want := "push " + named.Reference + ": the registry answers 401 Unauthorized"
	if !ok || refused.Status != http.StatusUnauthorized || err.Error() != want {
		t.Errorf("Push = %v, want %s", err, want)
	}
}

func TestPushIsRefused(t *testing.T) {
	t.Parallel()
	packed := first(t)
	answer := func(status int, body string) string {
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" {
				return
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	hangs := make(chan struct{})
	silent := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hangs:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(hangs) })
	for _, test := range []struct{ host, want string }{
		{answer(http.StatusNotFound, `{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}`), "the registry answers 404 Not Found: NAME_UNKNOWN repository name not known to registry"},
		{answer(http.StatusForbidden, "no"), "the registry answers 403 Forbidden"},
		{closed.Addr().String(), "connection refused"},
		{silent, "the registry does not answer: "},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		settings := image.Registry{AnswerTimeout: 200 * time.Millisecond}
		err := settings.Push(ctx, image.Named{Image: packed, Reference: test.host + "/hello:1"})
		cancel()
		if _, ok := errors.AsType[*image.PushError](err); !ok || !strings.HasPrefix(err.Error(), "push "+test.host+"/hello:1: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Push = %v, want a *PushError with %q", err, test.want)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("the error %q has several lines", err)
		}
	}
}

func TestPushEndsWithItsContext(t *testing.T) {
	t.Parallel()
	packed := first(t)
	ctx, cancel := context.WithCancel(t.Context())
	host := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	if err := (image.Registry{}).Push(ctx, image.Named{Image: packed, Reference: host + "/hello:1"}); !errors.Is(err, context.Canceled) {
		t.Errorf("Push = %v, want context.Canceled", err)
	}
}

func TestCheckReference(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"hello", "hello:1.2", "shop/hello", "localhost:5000/hello:1", "registry.example.com/a/b/c:x_Y.z-1"} {
		if err := image.CheckReference(good); err != nil {
			t.Errorf("CheckReference(%q) = %v", good, err)
		}
	}
	for _, bad := range []string{"", "Hello", "订单", "hello:", "hello:a b", "hello@sha256:abc", "-hello", "a//b", "https://registry/hello", "hello:" + strings.Repeat("a", 129)} {
		if err := image.CheckReference(bad); err == nil || !strings.Contains(err.Error(), "cannot be the name of an image") {
			t.Errorf("CheckReference(%q) = %v, want it refused", bad, err)
		}
	}
}
