package lint

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

func commentRules() []Rule {
	const get = "message GetRequest {}\nmessage GetResponse {}\n"
	return []Rule{
		{
			"COMMENT_SERVICE", Comments,
			"A service has a comment in front of it that says what it is for. Generated code carries it along, and panda docs prints it.",
			"service PetService {}", "// PetService keeps the pets of a household.\nservice PetService {}",
			eachService(func(p *pass, s protoreflect.ServiceDescriptor) { wantComment(p, s, "service") }),
		},
		{
			"COMMENT_RPC", Comments,
			"A method has a comment in front of it that says what it does, and which errors it answers with.",
			get + "service PetService {\n  rpc Get(GetRequest) returns (GetResponse);\n}", get + "service PetService {\n  // Get returns a pet by its name, or NOT_FOUND.\n  rpc Get(GetRequest) returns (GetResponse);\n}",
			eachMethod(func(p *pass, m protoreflect.MethodDescriptor) { wantComment(p, m, "method") }),
		},
		{
			"COMMENT_MESSAGE", Comments,
			"A message has a comment in front of it that says what it stands for. What a method takes and answers with needs none: its method says it.",
			"message Pet {}", "// Pet is an animal with a name.\nmessage Pet {}",
			func(p *pass) {
				own := messagesOfMethods(p.files)
				eachMessage(func(p *pass, m protoreflect.MessageDescriptor) {
					if !own[m.FullName()] {
						wantComment(p, m, "message")
					}
				})(p)
			},
		},
		{
			"COMMENT_FIELD", Documentation,
			"A field has a comment: its unit, its range, and what it means when it is unset.",
			"message Pet {\n  int32 weight = 1;\n}", "message Pet {\n  // In grams; 0 when it was never weighed.\n  int32 weight = 1;\n}",
			eachField(func(p *pass, f protoreflect.FieldDescriptor) { wantComment(p, f, "field") }),
		},
		{
			"COMMENT_ONEOF", Documentation,
			"A oneof has a comment that says what is chosen between.",
			"message Pet {\n  oneof owner {\n    string person = 1;\n  }\n}", "message Pet {\n  // Who answers for it.\n  oneof owner {\n    string person = 1;\n  }\n}",
			eachOneof(func(p *pass, o protoreflect.OneofDescriptor) { wantComment(p, o, "oneof") }),
		},
		{
			"COMMENT_ENUM", Documentation,
			"An enum has a comment that says what it tells apart.",
			"enum Kind {\n  KIND_UNSPECIFIED = 0;\n}", "// Kind is what sort of animal a pet is.\nenum Kind {\n  KIND_UNSPECIFIED = 0;\n}",
			eachEnum(func(p *pass, e protoreflect.EnumDescriptor) { wantComment(p, e, "enum") }),
		},
		{
			"COMMENT_ENUM_VALUE", Documentation,
			"An enum value has a comment. The one that ends in _UNSPECIFIED needs none.",
			"enum Kind {\n  KIND_UNSPECIFIED = 0;\n  KIND_CAT = 1;\n}", "enum Kind {\n  KIND_UNSPECIFIED = 0;\n  KIND_CAT = 1; // of any race\n}",
			eachValue(func(p *pass, v protoreflect.EnumValueDescriptor) {
				if !strings.HasSuffix(string(v.Name()), "_UNSPECIFIED") {
					wantComment(p, v, "enum value")
				}
			}),
		},
		{
			"RPC_STREAM_COMMENT", Documentation,
			"The comment of a method that streams says so, with the word stream or 流: when the stream ends, and what a caller may do when it breaks.",
			get + "service PetService {\n  // Get returns pets.\n  rpc Get(GetRequest) returns (stream GetResponse);\n}", get + "service PetService {\n  // Get returns pets; the stream ends with the last one.\n  rpc Get(GetRequest) returns (stream GetResponse);\n}",
			eachMethod(func(p *pass, m protoreflect.MethodDescriptor) {
				if !m.IsStreamingClient() && !m.IsStreamingServer() {
					return
				}
				text := strings.ToLower(commentOf(m))
				if !strings.Contains(text, "stream") && !strings.Contains(text, "流") {
					p.named(m, "method %s streams, and its comment does not say when the stream ends", m.Name())
				}
			}),
		},
		{
			ignoreValid, Comments,
			"A comment that switches a rule off at an element names a rule that there is, says why, and is needed: there would be a finding without it.",
			"// panda:lint-ignore SERVICE_SUFFIX\nservice Pets {}", "// panda:lint-ignore SERVICE_SUFFIX the name is printed on the devices\nservice Pets {}",
			func(*pass) {}, // judged when all other rules have had their turn
		},
	}
}

func messagesOfMethods(files []protoreflect.FileDescriptor) map[protoreflect.FullName]bool {
	own := make(map[protoreflect.FullName]bool)
	for _, file := range files {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				own[methods.Get(j).Input().FullName()] = true
				own[methods.Get(j).Output().FullName()] = true
			}
		}
	}
	return own
}

func wantComment(p *pass, d protoreflect.Descriptor, kind string) {
	if commentOf(d) == "" {
		p.named(d, "%s %s has no comment that says what it is for", kind, d.Name())
	}
}

// commentOf returns the comment before or behind d, without the lines that speak to this package.
func commentOf(d protoreflect.Descriptor) string {
	at := d.ParentFile().SourceLocations().ByDescriptor(d)
	var text []string
	for line := range strings.Lines(at.LeadingComments + "\n" + at.TrailingComments) {
		if _, speaksToUs := cutDirective(line); strings.TrimSpace(line) != "" && !speaksToUs {
			text = append(text, strings.TrimSpace(line))
		}
	}
	return strings.Join(text, "\n")
}
