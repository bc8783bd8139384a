package upgrade

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"

	"github.com/pandakit/panda/internal/metrics"
	"github.com/pandakit/panda/internal/rollout"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMeasure reads the page that a service writes.
func TestMeasure(t *testing.T) {
	r := metrics.NewRegistry()
	unary, stream := r.GRPC("unary", "shop.v1.Shop", "Buy"), r.GRPC("server_stream", "shop.v1.Shop", "Watch")
	health := r.GRPC("unary", "grpc.health.v1.Health", "Check")
	unary.Handled(codes.OK, 2*time.Millisecond)
	unary.Handled(codes.Canceled, 2*time.Millisecond)
	unary.Handled(codes.NotFound, 20*time.Second)
	stream.Handled(codes.Unavailable, time.Hour)
	health.Handled(codes.Unknown, time.Hour)
	r.ObserveRPC("Panda.GetInfo", time.Millisecond, false)
	r.ObserveRPC("Panda.GetInfo", time.Millisecond, true)
	for path, code := range map[string]int{"/a": 200, "/b": 302, "/c": 404, "/d": 500} {
		r.HTTP("GET /{\"x\"}"+path, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, http.NoBody))
	}
	server := httptest.NewServer(r.Handler())
	defer server.Close()
	s, err := measure(t.Context(), rollout.Instance{Address: strings.TrimPrefix(server.URL, "http://")})
	if err != nil {
		t.Fatal(err)
	}
	if s.Calls != 10 || s.Failed != 5 || s.Timed != 9 {
		t.Errorf("%d calls, %d failed, %d with a time; want 10, 5 and 9", s.Calls, s.Failed, s.Timed)
	}
	if s.Total < 20*time.Second || s.Total > 21*time.Second {
		t.Errorf("they took %v together", s.Total)
	}
	at := func(bound time.Duration) uint64 {
		i := slices.IndexFunc(s.Buckets, func(b rollout.Bucket) bool { return b.UpTo == bound })
		if i < 0 {
			return 0
		}
		return s.Buckets[i].Count
	}
	if at(2500*time.Microsecond) != 2 || at(time.Millisecond) != 2 || s.Buckets[len(s.Buckets)-1].Count != 1 {
		t.Errorf("the histogram is %v", s.Buckets)
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add("grpc_server_handled_total{grpc_service=\"a\",grpc_code=\"OK\"} 1e3\n")
	f.Add("http_request_duration_seconds_bucket{handler=\"\\\"\",le=\"+Inf\"} -5\n")
	f.Add("rpc_server_handled_total{rpc_method=} 1\n{ 1\n# x\nname{a=\"b\" 1\n")
	f.Fuzz(func(t *testing.T, page string) {
		s, err := readPage(strings.NewReader(page))
		if err == nil && !slices.IsSortedFunc(s.Buckets, func(a, b rollout.Bucket) int { return int(min(max(a.UpTo-b.UpTo, -1), 1)) }) {
			t.Errorf("buckets are not in order: %v", s.Buckets)
		}
	})
}
