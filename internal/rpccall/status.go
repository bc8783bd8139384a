package rpccall

import (
	"encoding/json"
	"strconv"

	codepb "google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// StatusError is the status with which a call ended other than OK.
type StatusError struct {
	Code    codes.Code
	Message string            // as the server wrote it, control characters shown as \u00XX
	Details []json.RawMessage // each as JSON with "@type"; one of unknown type has its bytes in "undecoded"
	err     error
}

// Error returns "CODE_NAME: message", with gRPC's names of the codes.
func (e *StatusError) Error() string {
	if e.Message == "" {
		return CodeName(e.Code)
	}
	return CodeName(e.Code) + ": " + e.Message
}

// Unwrap returns what the connection gave.
func (e *StatusError) Unwrap() error { return e.err }

// CodeName returns the name of a code as the gRPC protocol writes it: "NOT_FOUND"; a number for a code
// that it does not define.
func CodeName(c codes.Code) string {
	if name, ok := codepb.Code_name[int32(c)]; ok { //nolint:gosec // a code out of range is not in the map
		return name
	}
	return "CODE_" + strconv.FormatUint(uint64(c), 10)
}

// newStatusError describes what a connection returned. encode turns a detail into JSON; nil leaves the
// details out.
func newStatusError(err error, encode func(protoreflect.Message) ([]byte, error)) *StatusError {
	st := status.Convert(err)
	e := &StatusError{Code: st.Code(), Message: Printable(st.Message()), err: err}
	if encode == nil {
		return e
	}
	for _, detail := range st.Proto().GetDetails() {
		text, err := encode(detail.ProtoReflect())
		if err != nil {
			text, _ = json.Marshal(map[string]string{"@type": detail.GetTypeUrl(), "error": err.Error()}) //nolint:errchkjson // strings always encode
		}
		e.Details = append(e.Details, text)
	}
	return e
}
