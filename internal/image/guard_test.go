package image

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// answering is a way to servers that answer everything, and speak TLS or do not.
type answering struct{ tls bool }

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "https" && !a.tls {
		return nil, http.ErrSchemeMismatch
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func TestPlainHTTPIsForThisMachine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		url        string
		tls, plain bool
		refused    bool
	}{
		{"http://127.0.0.1:5000/v2/", false, false, false},
		{"http://[::1]:5000/v2/", false, false, false},
		{"http://localhost:5000/v2/", false, false, false},
		{"http://10.1.2.3:5000/v2/", false, false, true},
		{"https://10.1.2.3:5000/v2/", false, false, true},
		{"http://registry.local/v2/", false, false, true},
		{"http://127.0.0.1.example.com/v2/", false, false, true},
		{"https://registry.example.com/v2/", true, false, false},
		{"http://10.1.2.3:5000/v2/", false, true, false},
	} {
		guard := &guarded{base: answering{test.tls}, plain: test.plain}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, test.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := guard.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if got := errors.Is(guard.failure(), errPlain); got != test.refused || (err != nil) != test.refused {
			t.Errorf("GET %s: refused %v, %v, want %v", test.url, got, err, test.refused)
		}
		if text := pushError("r", errors.Join(err, errors.New("and more")), guard.failure()).Error(); test.refused && !strings.HasSuffix(text, errPlain.Error()) {
			t.Errorf("the push is said to end with %q", text)
		}
	}
}
