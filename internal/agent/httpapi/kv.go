package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

func (h *Handler) kvEndpoints() []endpoint {
	return []endpoint{
		{"GET,PUT,DELETE", "/v1/kv/{key...}", h.kv},
	}
}

// maxValue is the largest value of a key, in bytes, and where Consul's manual tells of it.
const (
	maxValue     = 512 << 10
	maxValueLink = "https://www.consul.io/docs/agent/config/config-files#kv_max_value_size"
)

func (h *Handler) kv(w http.ResponseWriter, r *http.Request) (any, error) {
	switch r.Method {
	case http.MethodPut:
		return h.putKey(w, r)
	case http.MethodDelete:
		return h.deleteKey(w, r)
	}
	query := r.URL.Query()
	switch {
	case query.Has("keys"):
		return h.stateQuery(keyPrefix, listKeys)(w, r)
	case query.Has("recurse"):
		return h.stateQuery(keyPrefix, listPairs)(w, r)
	case keyOf(r) == "":
		return nil, badRequest("Missing key name")
	case query.Has("raw"):
		return h.rawValue(w, r)
	}
	return h.stateQuery(oneKey, readPair)(w, r)
}

// stateQuery is blocking for what Consul tells to come from its state without a say about consistency.
func (h *Handler) stateQuery(topic func(*http.Request) catalog.Topic, read func(catalog.View, *http.Request) (any, error)) func(http.ResponseWriter, *http.Request) (any, error) {
	query := h.blocking(topic, read)
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		answer, err := query(w, r)
		if err == nil {
			w.Header().Set("X-Consul-Query-Backend", "blocking-query")
		}
		return answer, err
	}
}

// keyOf returns the key that a request is about: the rest of the path, decoded.
func keyOf(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/v1/kv/") }

func oneKey(r *http.Request) catalog.Topic    { return catalog.Key(keyOf(r)) }
func keyPrefix(r *http.Request) catalog.Topic { return catalog.KeyPrefix(keyOf(r)) }

// noKeys is the answer for keys that do not exist: the status alone.
func noKeys() *codedAnswer { return &codedAnswer{http.StatusNotFound, nil} }

func readPair(v catalog.View, r *http.Request) (any, error) {
	pair := v.Key(keyOf(r))
	if pair == nil {
		return noKeys(), nil
	}
	return []*consulwire.KVPair{&pair.KVPair}, nil
}

func listPairs(v catalog.View, r *http.Request) (any, error) {
	var pairs []*consulwire.KVPair
	for p := range v.Keys(keyOf(r)) {
		pairs = append(pairs, &p.KVPair)
	}
	if len(pairs) == 0 {
		return noKeys(), nil
	}
	return pairs, nil
}

// rawValue answers with the value alone. No browser may take it for more than text.
func (h *Handler) rawValue(w http.ResponseWriter, r *http.Request) (any, error) {
	answer, err := h.stateQuery(oneKey, readPair)(w, r)
	pairs, ok := answer.([]*consulwire.KVPair)
	if err != nil || !ok {
		return answer, err
	}
	header := w.Header()
	header.Set("Content-Length", strconv.Itoa(len(pairs[0].Value)))
	header.Set("Content-Type", "text/plain")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "sandbox")
	_, _ = w.Write(pairs[0].Value)
	return written, nil
}

func listKeys(v catalog.View, r *http.Request) (any, error) {
	prefix, query := keyOf(r), r.URL.Query()
	separator := query.Get("seperator") //nolint:misspell // the older spelling is still taken
	if query.Has("separator") {
		separator = query.Get("separator")
	}
	keys := []string{}
	for p := range v.Keys(prefix) {
		key := upTo(p.Key, len(prefix), separator)
		if len(keys) == 0 || keys[len(keys)-1] != key { // sorted: the same ones follow each other
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 && prefix != "" {
		return noKeys(), nil
	}
	return keys, nil
}

// upTo cuts the key after the first separator behind the prefix.
func upTo(key string, prefix int, separator string) string {
	if separator == "" {
		return key
	}
	before, _, found := strings.Cut(key[prefix:], separator)
	if !found {
		return key
	}
	return key[:prefix+len(before)+len(separator)]
}

func (h *Handler) putKey(w http.ResponseWriter, r *http.Request) (any, error) {
	query := r.URL.Query()
	pair := consulwire.KVPair{Key: keyOf(r)}
	if pair.Key == "" {
		return nil, badRequest("Missing key name")
	}
	if err := conflict(query, "cas", "acquire", "release"); err != nil {
		return nil, err
	}
	var err error
	if pair.Flags, err = number(query, "flags"); err != nil {
		return nil, err
	}
	index, err := number(query, "cas")
	if err != nil {
		return nil, err
	}
	if pair.Value, err = body(w, r, maxValue, maxValueLink); err != nil {
		return nil, err
	}
	return h.changeKey(func(c *catalog.Writer) error {
		switch {
		case query.Has("cas"):
			_, err = c.SetKeyIf(&pair, index)
		case query.Has("acquire"):
			pair.Session = query.Get("acquire")
			_, err = c.LockKey(&pair)
		case query.Has("release"):
			pair.Session = query.Get("release")
			_, err = c.UnlockKey(&pair)
		default:
			_, err = c.SetKey(&pair)
		}
		return err
	})
}

func (h *Handler) deleteKey(_ http.ResponseWriter, r *http.Request) (any, error) {
	query, key := r.URL.Query(), keyOf(r)
	if err := conflict(query, "recurse", "cas"); err != nil {
		return nil, err
	}
	if key == "" && !query.Has("recurse") {
		return nil, badRequest("Missing key name")
	}
	index, err := number(query, "cas")
	if err != nil {
		return nil, err
	}
	return h.changeKey(func(c *catalog.Writer) error {
		switch {
		case query.Has("recurse"):
			c.DeleteTree(key)
		case query.Has("cas"):
			return c.DeleteKeyIf(key, index)
		default:
			c.DeleteKey(key)
		}
		return nil
	})
}

// changeKey answers whether the change could be made.
func (h *Handler) changeKey(change func(*catalog.Writer) error) (any, error) {
	err := h.cfg.Catalog.Write(change)
	if refused(err) {
		return false, nil
	}
	if err != nil {
		return nil, &statusError{http.StatusInternalServerError, "raft apply failed: " + err.Error()}
	}
	return true, nil
}

// refused reports whether a key stays as it is because of its index or lock, rather than for an error.
func refused(err error) bool {
	return errors.Is(err, catalog.ErrStale) || errors.Is(err, catalog.ErrHeld) ||
		errors.Is(err, catalog.ErrNotHolder) || errors.Is(err, catalog.ErrLockDelay)
}

// conflict refuses more than one of the parameters.
func conflict(query url.Values, parameters ...string) error {
	found := 0
	for _, p := range parameters {
		if query.Has(p) {
			found++
		}
	}
	if found > 1 {
		return &statusError{http.StatusBadRequest, "Conflicting flags: " + query.Encode()}
	}
	return nil
}

// number reads a parameter, which is 0 when it is not given.
func number(query url.Values, parameter string) (uint64, error) {
	if !query.Has(parameter) {
		return 0, nil
	}
	n, err := strconv.ParseUint(query.Get(parameter), 10, 64)
	if err != nil {
		return 0, &statusError{http.StatusInternalServerError, err.Error()}
	}
	return n, nil
}

// body reads the whole body, which may have so many bytes; link is where the limit is explained.
func body(w http.ResponseWriter, r *http.Request, limit int64, link string) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge("Request body(%d bytes) too large, max size: %d bytes. See %s.", r.ContentLength, limit, link)
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, tooLarge("Request body too large, max size: %d bytes. See %s.", limit, link)
	}
	if err != nil {
		return nil, bodyError(err, "Request body not read")
	}
	return data, nil
}

func tooLarge(format string, args ...any) error {
	return &statusError{http.StatusRequestEntityTooLarge, fmt.Sprintf(format, args...)}
}
