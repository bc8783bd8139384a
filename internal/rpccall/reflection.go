package rpccall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// ErrNoReflection says that the server has neither version of the reflection service.
var ErrNoReflection = errors.New("the server has no reflection")

// Both versions of the reflection service have the same messages on the wire.
const (
	reflectionV1      = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
	reflectionV1Alpha = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
)

// sessionTimeout bounds the questions of one session, all together.
const sessionTimeout = 10 * time.Second

// session asks questions over one stream, so that one server answers all of them. It is short: an open
// stream would hold up the server's drain.
type session struct {
	schema *schema
	ctx    context.Context //nolint:containedctx // a session lives inside one call
	cancel context.CancelFunc
	stream grpc.ClientStream
}

func (s *schema) open(ctx context.Context) *session {
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	return &session{schema: s, ctx: ctx, cancel: cancel}
}

func (s *session) close() { s.cancel() }

// services returns the full names of the server's services, sorted.
func (s *session) services() ([]string, error) {
	s.schema.mu.Lock()
	defer s.schema.mu.Unlock()
	answer, err := s.ask(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{ListServices: "*"},
	})
	if err != nil {
		return nil, err
	}
	services := answer.GetListServicesResponse().GetService()
	if len(services) > maxServices {
		return nil, fmt.Errorf("list the server's services: more than %d", maxServices)
	}
	names := make([]string, 0, len(services))
	for _, service := range services {
		names = append(names, service.GetName())
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (s *session) filesWith(symbol string) ([]*descriptorpb.FileDescriptorProto, error) {
	return s.askFiles(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol},
	})
}

func (s *session) fileNamed(name string) ([]*descriptorpb.FileDescriptorProto, error) {
	return s.askFiles(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileByFilename{FileByFilename: name},
	})
}

func (s *session) askFiles(question *reflectionpb.ServerReflectionRequest) ([]*descriptorpb.FileDescriptorProto, error) {
	answer, err := s.ask(question)
	if err != nil {
		return nil, err
	}
	raws := answer.GetFileDescriptorResponse().GetFileDescriptorProto()
	if len(raws) > maxFiles {
		return nil, fmt.Errorf("the server tells more than %d files", maxFiles)
	}
	files := make([]*descriptorpb.FileDescriptorProto, 0, len(raws))
	for _, raw := range raws {
		file := new(descriptorpb.FileDescriptorProto)
		if err := proto.Unmarshal(raw, file); err != nil {
			return nil, fmt.Errorf("the server tells a file that is not a descriptor: %w", err)
		}
		files = append(files, file)
	}
	return files, nil
}

// ask sends one question and returns its answer. The first question finds out which version of the
// service there is. The schema's lock is held, so questions do not overlap.
func (s *session) ask(question *reflectionpb.ServerReflectionRequest) (*reflectionpb.ServerReflectionResponse, error) {
	answer, err := s.askOnce(question)
	if status.Code(err) == codes.Unimplemented && s.schema.protocol == reflectionV1 {
		s.schema.protocol, s.stream = reflectionV1Alpha, nil
		answer, err = s.askOnce(question)
	}
	if status.Code(err) == codes.Unimplemented {
		s.schema.protocol = reflectionV1 // the next server behind the same name may have it
		return nil, ErrNoReflection
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the server's methods: %w", newStatusError(err, nil))
	}
	if refused := answer.GetErrorResponse(); refused != nil {
		if codes.Code(refused.GetErrorCode()) == codes.NotFound { //nolint:gosec // an unknown code is just not NotFound
			return nil, protoregistry.NotFound
		}
		return nil, fmt.Errorf("ask for the server's methods: %s", Printable(refused.GetErrorMessage()))
	}
	return answer, nil
}

func (s *session) askOnce(question *reflectionpb.ServerReflectionRequest) (*reflectionpb.ServerReflectionResponse, error) {
	if s.stream == nil {
		stream, err := s.schema.conn.NewStream(s.ctx,
			&grpc.StreamDesc{StreamName: "ServerReflectionInfo", ServerStreams: true, ClientStreams: true},
			s.schema.protocol, grpc.MaxCallRecvMsgSize(maxSchemaBytes))
		if err != nil {
			return nil, err
		}
		s.stream = stream
	}
	// When sending fails with io.EOF, receiving tells why.
	if err := s.stream.SendMsg(question); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	answer := new(reflectionpb.ServerReflectionResponse)
	err := s.stream.RecvMsg(answer)
	if errors.Is(err, io.EOF) {
		err = status.Error(codes.Unavailable, "the server ended the reflection stream")
	}
	return answer, err
}

func isNotFound(err error) bool { return errors.Is(err, protoregistry.NotFound) }
