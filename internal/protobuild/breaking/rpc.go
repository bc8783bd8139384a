package breaking

import (
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/pandakit/panda/internal/protobuild/place"
)

func methodName(m protoreflect.MethodDescriptor) string {
	return "method " + string(m.Parent().FullName()) + "/" + string(m.Name())
}

func sameRequest(p *pass, before, now protoreflect.MethodDescriptor) {
	if was, is := before.Input().FullName(), now.Input().FullName(); was != is {
		p.report(string(now.FullName()), place.Of(now, partRequest), "%s took %s and takes %s now", methodName(now), was, is)
	}
}

func sameResponse(p *pass, before, now protoreflect.MethodDescriptor) {
	if was, is := before.Output().FullName(), now.Output().FullName(); was != is {
		p.report(string(now.FullName()), place.Of(now, partResponse), "%s answered with %s and does with %s now", methodName(now), was, is)
	}
}

func streamText(stream bool) string {
	if stream {
		return "a stream"
	}
	return "one message"
}

func sameClientStreaming(p *pass, before, now protoreflect.MethodDescriptor) {
	if was, is := before.IsStreamingClient(), now.IsStreamingClient(); was != is {
		p.report(string(now.FullName()), place.Of(now), "%s took %s and takes %s now", methodName(now), streamText(was), streamText(is))
	}
}

func sameServerStreaming(p *pass, before, now protoreflect.MethodDescriptor) {
	if was, is := before.IsStreamingServer(), now.IsStreamingServer(); was != is {
		p.report(string(now.FullName()), place.Of(now), "%s answered with %s and does with %s now", methodName(now), streamText(was), streamText(is))
	}
}

func sameIdempotency(p *pass, before, now protoreflect.MethodDescriptor) {
	level := func(m protoreflect.MethodDescriptor) descriptorpb.MethodOptions_IdempotencyLevel {
		options, _ := m.Options().(*descriptorpb.MethodOptions)
		return options.GetIdempotencyLevel()
	}
	if was, is := level(before), level(now); was != is {
		p.report(string(now.FullName()), place.Of(now, partMethodOptions, optionIdempotency),
			"the idempotency of %s was %s and is %s now", methodName(now), was, is)
	}
}
