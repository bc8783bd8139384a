package consul

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestBoundedBody(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]error{0: nil, 9: nil, 10: nil, 11: errAnswerTooLong, 100_000: errAnswerTooLong} {
		body := &boundedBody{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("x", length))), left: 10}
		content, err := io.ReadAll(body)
		if !errors.Is(err, want) || len(content) > 11 || want == nil && len(content) != length {
			t.Errorf("of %d bytes %d were read, %v; want %v", length, len(content), err, want)
		}
		if n, err := body.Read(make([]byte, 5)); want != nil && (n != 0 || !errors.Is(err, want)) {
			t.Errorf("after the limit %d bytes were read, %v", n, err)
		}
	}
}

func TestEveryAnswerIsBounded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	base := &http.Transport{DisableKeepAlives: true}
	resp, err := (&courier{base: base, cfg: &Config{}}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, ok := resp.Body.(*boundedBody); !ok || body.left != answerLimit {
		t.Errorf("the body is a %T, want one with a bound of %d", resp.Body, answerLimit)
	}
}
