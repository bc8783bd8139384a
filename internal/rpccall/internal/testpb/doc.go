// Package testpb is the protocol of the services that rpccall is tested with: each kind of call, each
// kind of field. It is generated and holds no behaviour; rpccalltest implements it.
package testpb

//go:generate protoc -I ../../../.. --go_out=../../../.. --go_opt=module=github.com/pandakit/panda --go-grpc_out=../../../.. --go-grpc_opt=module=github.com/pandakit/panda internal/rpccall/internal/testpb/testpb.proto internal/rpccall/internal/testpb/testpb2.proto
