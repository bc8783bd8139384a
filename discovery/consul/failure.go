package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// bodyShown bounds how much of an agent's error text is repeated.
const bodyShown = 300

// failure is why one agent did not do what it was asked. Its text has no ephemeral port and no URL, so
// that two failures for the same reason read the same.
type failure struct {
	agent string
	text  string
	cause error
}

func (f *failure) Error() string { return f.agent + ": " + f.text }
func (f *failure) Unwrap() error { return f.cause }

// newFailure tells why a request with the given timeout failed at the agent.
func newFailure(agent string, err error, timeout time.Duration) *failure {
	return &failure{agent: agent, text: describe(err, timeout), cause: err}
}

func describe(err error, timeout time.Duration) string {
	var status api.StatusError
	var asURL *url.Error
	var asOp *net.OpError
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &status):
		return describeStatus(status)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %v", timeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended before the answer did"
	case errors.As(err, &syntax), errors.As(err, &mistyped):
		return fmt.Sprintf("the answer is not one of Consul's API: %v", err)
	case errors.As(err, &asOp):
		return describeOp(asOp)
	case errors.As(err, &asURL):
		return describe(asURL.Err, timeout)
	}
	return err.Error()
}

func describeOp(err *net.OpError) string {
	if err.Timeout() {
		return err.Op + ": no answer in time"
	}
	return err.Err.Error()
}

func describeStatus(err api.StatusError) string {
	body := strings.ToValidUTF8(strings.Join(strings.Fields(cut(err.Body, bodyShown)), " "), "?")
	text := fmt.Sprintf("answers %d %s", err.Code, http.StatusText(err.Code))
	if body != "" {
		text += ": " + body
	}
	if err.Code == http.StatusForbidden || err.Code == http.StatusUnauthorized {
		text += "; check the ACL token (CONSUL_HTTP_TOKEN)"
	}
	return text
}

// cut returns at most limit bytes of s, ending with a whole character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && s[limit]&0xc0 == 0x80 {
		limit--
	}
	return s[:limit]
}

// outage is that no configured agent does what it is asked: the last failure of each, in order.
type outage []*failure

func (o outage) Error() string {
	if len(o) == 1 {
		return o[0].text // the registry's name has the address
	}
	texts := make([]string, len(o))
	for i, f := range o {
		texts[i] = f.Error()
	}
	return strings.Join(texts, "; ")
}

func (o outage) Unwrap() []error {
	causes := make([]error, len(o))
	for i, f := range o {
		causes[i] = f
	}
	return causes
}

// answered reports whether err is the agent's own refusal with one of the HTTP status codes.
func answered(err error, codes ...int) bool {
	var status api.StatusError
	if !errors.As(err, &status) {
		return false
	}
	return slices.Contains(codes, status.Code)
}
