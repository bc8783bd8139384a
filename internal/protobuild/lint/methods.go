package lint

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

func methodRules() []Rule {
	return []Rule{
		{
			"RPC_REQUEST_STANDARD_NAME", Methods,
			"A method takes a message of its own name: GetPet takes GetPetRequest, or PetServiceGetPetRequest. A field that only this method needs then has a place, today or next year.",
			"message Query {}\nmessage GetPetResponse {}\nservice PetService {\n  rpc GetPet(Query) returns (GetPetResponse);\n}",
			"message GetPetRequest {}\nmessage GetPetResponse {}\nservice PetService {\n  rpc GetPet(GetPetRequest) returns (GetPetResponse);\n}",
			eachMethod(func(p *pass, m protoreflect.MethodDescriptor) {
				standardName(p, m, m.Input(), "Request", "takes", partRequest)
			}),
		},
		{
			"RPC_RESPONSE_STANDARD_NAME", Methods,
			"A method answers with a message of its own name: GetPet with GetPetResponse, or PetServiceGetPetResponse. A method that answers with the bare Pet can never tell anything beside it.",
			"message GetPetRequest {}\nmessage Pet {}\nservice PetService {\n  rpc GetPet(GetPetRequest) returns (Pet);\n}",
			"message GetPetRequest {}\nmessage GetPetResponse {}\nservice PetService {\n  rpc GetPet(GetPetRequest) returns (GetPetResponse);\n}",
			eachMethod(func(p *pass, m protoreflect.MethodDescriptor) {
				standardName(p, m, m.Output(), "Response", "answers with", partResponse)
			}),
		},
		{
			"RPC_REQUEST_RESPONSE_UNIQUE", Methods,
			"No two methods share the message that they take or answer with, and no method answers with what it takes. A field that one of them needs would otherwise be the other's too.",
			"message Pet {}\nservice PetService {\n  rpc Create(Pet) returns (Pet);\n  rpc Update(Pet) returns (Pet);\n}",
			"message CreateRequest {}\nmessage CreateResponse {}\nservice PetService {\n  rpc Create(CreateRequest) returns (CreateResponse);\n}",
			uniqueMessages,
		},
	}
}

// standardName wants a message called after the method, or after its service and the method.
func standardName(p *pass, m protoreflect.MethodDescriptor, message protoreflect.MessageDescriptor, suffix, verb string, part []int32) {
	short := string(m.Name()) + suffix
	name := string(message.Name())
	if name != short && name != string(m.Parent().Name())+short {
		p.at(m, part, "method %s %s %s; call the message %s", m.Name(), verb, message.Name(), short)
	}
}

// uniqueMessages judges all files together, and reports at every method but the first that has the message.
func uniqueMessages(p *pass) {
	users := make(map[protoreflect.FullName]protoreflect.MethodDescriptor)
	eachMethod(func(p *pass, m protoreflect.MethodDescriptor) {
		in, out := m.Input().FullName(), m.Output().FullName()
		if in == out {
			p.at(m, partResponse, "method %s answers with what it takes, %s; give it messages of its own", m.Name(), in.Name())
		}
		for _, use := range []struct {
			name protoreflect.FullName
			part []int32
		}{{in, partRequest}, {out, partResponse}} {
			if first := users[use.name]; first == nil {
				users[use.name] = m
			} else if first != m {
				p.at(m, use.part, "method %s shares %s with method %s of %s; give it a message of its own",
					m.Name(), use.name.Name(), first.Name(), first.Parent().Name())
			}
		}
	})(p)
}

func strictRules() []Rule {
	const messages = "message WatchRequest {}\nmessage WatchResponse {}\n"
	return []Rule{
		{
			"RPC_NO_CLIENT_STREAMING", Unary,
			"No method takes a stream. Browsers and many proxies cannot send one.",
			messages + "service PetService {\n  rpc Watch(stream WatchRequest) returns (WatchResponse);\n}", messages + "service PetService {\n  rpc Watch(WatchRequest) returns (WatchResponse);\n}",
			eachMethod(func(p *pass, m protoreflect.MethodDescriptor) {
				if m.IsStreamingClient() {
					p.at(m, partRequest, "method %s takes a stream", m.Name())
				}
			}),
		},
		{
			"RPC_NO_SERVER_STREAMING", Unary,
			"No method answers with a stream. Some proxies hold an answer back until it is complete.",
			messages + "service PetService {\n  rpc Watch(WatchRequest) returns (stream WatchResponse);\n}", messages + "service PetService {\n  rpc Watch(WatchRequest) returns (WatchResponse);\n}",
			eachMethod(func(p *pass, m protoreflect.MethodDescriptor) {
				if m.IsStreamingServer() {
					p.at(m, partResponse, "method %s answers with a stream", m.Name())
				}
			}),
		},
		{
			"RPC_IDEMPOTENCY_LEVEL", Strict,
			"A method without streams whose name says that it only reads, such as Get, List or Search, has the option idempotency_level. Panda's clients call a method again after a failure only when the option lets them.",
			"message GetPetRequest {}\nmessage GetPetResponse {}\nservice PetService {\n  rpc GetPet(GetPetRequest) returns (GetPetResponse);\n}",
			"message GetPetRequest {}\nmessage GetPetResponse {}\nservice PetService {\n  rpc GetPet(GetPetRequest) returns (GetPetResponse) {\n    option idempotency_level = NO_SIDE_EFFECTS;\n  }\n}",
			eachMethod(func(p *pass, m protoreflect.MethodDescriptor) {
				options, _ := m.Options().(*descriptorpb.MethodOptions)
				streams := m.IsStreamingClient() || m.IsStreamingServer() // which are not called again
				if !streams && options.GetIdempotencyLevel() == descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN && readsOnly(string(m.Name())) {
					p.named(m, "method %s seems to read only; say so with option idempotency_level = NO_SIDE_EFFECTS, and calls that fail are retried", m.Name())
				}
			}),
		},
	}
}

// readsOnly judges a method by the first word of its name.
func readsOnly(name string) bool {
	first, _, _ := strings.Cut(toLowerSnake(name), "_")
	switch first {
	case "get", "list", "search", "find", "lookup", "read", "query", "describe", "count":
		return true
	}
	return false
}
