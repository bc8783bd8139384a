package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/pandakit/panda"
)

// maxBody bounds the JSON of a request, in bytes.
const maxBody = 1 << 20

// variable is a part of a path that becomes a field: {name}.
var variable = regexp.MustCompile(`\{([^{}]*)\}`)

// handleJSON serves each method of a gRPC service that has a google.api.http option as JSON over HTTP too. The handler
// is called in this process; no second connection is made. Patterns may have variables that are single fields and
// single parts of the path, and a body of "*" or none; anything else, and a method that streams, is an error.
func handleJSON(svc *panda.Service, service *grpc.ServiceDesc, handler any) error {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service.ServiceName))
	if err != nil {
		return fmt.Errorf("serve %s as JSON: %w", service.ServiceName, err)
	}
	described, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return fmt.Errorf("serve %s as JSON: it is no service", service.ServiceName)
	}
	for _, stream := range service.Streams {
		if len(bindings(described.Methods().ByName(protoreflect.Name(stream.StreamName)))) > 0 {
			return fmt.Errorf("serve %s/%s as JSON: it streams; take its google.api.http option away", service.ServiceName, stream.StreamName)
		}
	}
	for _, method := range service.Methods {
		descriptor := described.Methods().ByName(protoreflect.Name(method.MethodName))
		for _, rule := range bindings(descriptor) {
			r, err := newRoute(rule, descriptor, method, handler)
			if err != nil {
				return fmt.Errorf("serve %s/%s as JSON: %w", service.ServiceName, method.MethodName, err)
			}
			svc.Handle(r.pattern, r)
		}
	}
	return nil
}

// bindings returns the method's google.api.http option and those that are added in it.
func bindings(method protoreflect.MethodDescriptor) []*annotations.HttpRule {
	if method == nil || !proto.HasExtension(method.Options(), annotations.E_Http) {
		return nil
	}
	rule, ok := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok {
		return nil
	}
	return append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...)
}

// route is one method behind one pattern of paths.
type route struct {
	pattern   string   // in the language of http.ServeMux
	variables []string // of the path; names of fields
	hasBody   bool
	input     protoreflect.MessageDescriptor
	method    grpc.MethodDesc
	handler   any
}

func newRoute(rule *annotations.HttpRule, descriptor protoreflect.MethodDescriptor, method grpc.MethodDesc, handler any) (*route, error) {
	verb, path := pattern(rule)
	if verb == "" || !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("want get, put, post, delete or patch and a path that begins with /, not %q", path)
	}
	if rule.GetBody() != "" && rule.GetBody() != "*" || rule.GetResponseBody() != "" {
		return nil, fmt.Errorf(`%s: only body: "*" is served`, path)
	}
	r := &route{
		pattern: verb + " " + path, hasBody: rule.GetBody() == "*", input: descriptor.Input(), method: method, handler: handler,
	}
	for _, match := range variable.FindAllStringSubmatch(path, -1) {
		if r.input.Fields().ByName(protoreflect.Name(match[1])) == nil {
			return nil, fmt.Errorf("%s: {%s} is no field of %s", path, match[1], r.input.FullName())
		}
		r.variables = append(r.variables, match[1])
	}
	return r, nil
}

func pattern(rule *annotations.HttpRule) (verb, path string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Put:
		return http.MethodPut, p.Put
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	}
	return "", ""
}

// ServeHTTP calls the method's handler, and answers with its message or its status.
func (r *route) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	out, err := r.method.Handler(r.handler, request.Context(), func(in any) error { return r.read(w, request, in) }, nil)
	code := http.StatusOK
	message, _ := out.(proto.Message)
	if err != nil {
		s := status.Convert(err)
		code, message = httpCode(s.Code()), s.Proto()
	}
	text, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(message)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // a caller who has gone misses nothing
}

// read fills the message from the body, or the query when the method takes no body, and from the path, which wins.
func (r *route) read(w http.ResponseWriter, request *http.Request, into any) error {
	in, ok := into.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "%T is no message", into)
	}
	values := url.Values{}
	if r.hasBody {
		if err := readBody(w, request, in); err != nil {
			return err
		}
	} else {
		values = request.URL.Query()
	}
	for _, name := range r.variables {
		values[name] = []string{request.PathValue(name)}
	}
	given, err := r.fields(values)
	if err != nil {
		return err
	}
	set := in.ProtoReflect().New().Interface()
	if err := protojson.Unmarshal(given, set); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	for _, name := range r.variables {
		in.ProtoReflect().Clear(r.input.Fields().ByName(protoreflect.Name(name)))
	}
	proto.Merge(in, set)
	return nil
}

func readBody(w http.ResponseWriter, request *http.Request, in proto.Message) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBody))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return status.Errorf(codes.ResourceExhausted, "the body is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return status.FromContextError(err).Err()
	}
	if err := protojson.Unmarshal(body, in); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return nil
}

// fields writes texts as the JSON that protojson reads for the fields they are for.
func (r *route) fields(values url.Values) ([]byte, error) {
	given := make(map[string]json.RawMessage, len(values))
	for name, texts := range values {
		field := r.input.Fields().ByName(protoreflect.Name(name))
		if field == nil {
			field = r.input.Fields().ByJSONName(name)
		}
		if field == nil || field.IsMap() || !field.IsList() && len(texts) > 1 {
			return nil, status.Errorf(codes.InvalidArgument, "%q is not a field that a query can set once for each value", name)
		}
		parts := make([]string, len(texts))
		for i, text := range texts {
			parts[i] = scalar(field, text)
		}
		value := strings.Join(parts, ",")
		if field.IsList() {
			value = "[" + value + "]"
		}
		given[string(field.Name())] = json.RawMessage(value)
	}
	return json.Marshal(given)
}

// scalar is text as JSON: protojson takes numbers and names of enum values in quotes, but no boolean.
func scalar(field protoreflect.FieldDescriptor, text string) string {
	if field.Kind() == protoreflect.BoolKind && (text == "true" || text == "false") {
		return text
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return `""` // a string has always a form in JSON
	}
	return string(quoted)
}

// httpCode is the status of HTTP that google/rpc/code.proto names for a code of gRPC.
func httpCode(code codes.Code) int {
	const clientClosed = 499
	switch code {
	case codes.OK:
		return http.StatusOK
	case codes.Canceled:
		return clientClosed
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.NotFound:
		return http.StatusNotFound
	case codes.AlreadyExists, codes.Aborted:
		return http.StatusConflict
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}
