package lint

import (
	"path"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

func namingRules() []Rule {
	return []Rule{
		{
			"MESSAGE_PASCAL_CASE", Naming,
			"A message is called in PascalCase: each word begins with a capital, and nothing stands between words. Generated types have the name as it is, and other spellings look foreign in every language.",
			"message pet_owner {}", "message PetOwner {}",
			eachMessage(func(p *pass, m protoreflect.MessageDescriptor) {
				wantPascal(p, m, "message")
			}),
		},
		{
			"FIELD_LOWER_SNAKE_CASE", Naming,
			"A field is called in lower_snake_case. Generators make each language's own spelling of it, petName in JSON and PetName in Go, and can do so only when they see where words begin.",
			"message Pet {\n  string petName = 1;\n}", "message Pet {\n  string pet_name = 1;\n}",
			eachField(func(p *pass, f protoreflect.FieldDescriptor) {
				if f.Kind() == protoreflect.GroupKind && strings.EqualFold(string(f.Message().Name()), string(f.Name())) {
					return // the compiler has made the name of the group's
				}
				if !lowerSnake.MatchString(string(f.Name())) {
					p.named(f, "field %s is to be called in lower_snake_case: %s", f.Name(), toLowerSnake(string(f.Name())))
				}
			}),
		},
		{
			"ONEOF_LOWER_SNAKE_CASE", Naming,
			"A oneof is called in lower_snake_case, as fields are.",
			"message Pet {\n  oneof ownedBy {\n    string person = 1;\n  }\n}", "message Pet {\n  oneof owned_by {\n    string person = 1;\n  }\n}",
			eachOneof(func(p *pass, o protoreflect.OneofDescriptor) {
				if !lowerSnake.MatchString(string(o.Name())) {
					p.named(o, "oneof %s is to be called in lower_snake_case: %s", o.Name(), toLowerSnake(string(o.Name())))
				}
			}),
		},
	}
}

func enumNamingRules() []Rule {
	return []Rule{
		{
			"ENUM_PASCAL_CASE", Naming,
			"An enum is called in PascalCase, as messages are.",
			"enum pet_kind {\n  PET_KIND_UNSPECIFIED = 0;\n}", "enum PetKind {\n  PET_KIND_UNSPECIFIED = 0;\n}",
			eachEnum(func(p *pass, e protoreflect.EnumDescriptor) { wantPascal(p, e, "enum") }),
		},
		{
			"ENUM_VALUE_UPPER_SNAKE_CASE", Naming,
			"An enum value is called in UPPER_SNAKE_CASE: it is a constant in every language, and its name is what JSON has.",
			"enum PetKind {\n  PetKindUnspecified = 0;\n}", "enum PetKind {\n  PET_KIND_UNSPECIFIED = 0;\n}",
			eachValue(func(p *pass, v protoreflect.EnumValueDescriptor) {
				if !upperSnake.MatchString(string(v.Name())) {
					p.named(v, "enum value %s is to be called in UPPER_SNAKE_CASE: %s", v.Name(), toUpperSnake(string(v.Name())))
				}
			}),
		},
		{
			"ENUM_VALUE_PREFIX", Naming,
			"An enum value begins with the name of its enum. The names of values stand beside the enum and not in it, so that two enums of a package cannot both have a value CAT.",
			"enum PetKind {\n  UNSPECIFIED = 0;\n  CAT = 1;\n}", "enum PetKind {\n  PET_KIND_UNSPECIFIED = 0;\n  PET_KIND_CAT = 1;\n}",
			eachValue(func(p *pass, v protoreflect.EnumValueDescriptor) {
				prefix := toUpperSnake(string(v.Parent().Name())) + "_"
				if !strings.HasPrefix(strings.ToUpper(string(v.Name())), prefix) {
					p.named(v, "enum value %s is to begin with the name of its enum: %s%s", v.Name(), prefix, toUpperSnake(string(v.Name())))
				}
			}),
		},
		{
			"ENUM_ZERO_VALUE_SUFFIX", Naming,
			"The value with the number 0 ends in _UNSPECIFIED. It is what a message has that never set the field, and what a reader gets for a value that it does not know, so it must not mean anything else.",
			"enum PetKind {\n  PET_KIND_CAT = 0;\n}", "enum PetKind {\n  PET_KIND_UNSPECIFIED = 0;\n  PET_KIND_CAT = 1;\n}",
			eachValue(func(p *pass, v protoreflect.EnumValueDescriptor) {
				if v.Number() == 0 && !strings.HasSuffix(strings.ToUpper(string(v.Name())), "_UNSPECIFIED") {
					p.named(v, "enum value %s is 0, what unset fields have, and is to end in _UNSPECIFIED: %s_UNSPECIFIED", v.Name(), toUpperSnake(string(v.Parent().Name())))
				}
			}),
		},
	}
}

func serviceNamingRules() []Rule {
	return []Rule{
		{
			"SERVICE_PASCAL_CASE", Naming,
			"A service is called in PascalCase, as messages are.",
			"service pet_service {}", "service PetService {}",
			eachService(func(p *pass, s protoreflect.ServiceDescriptor) { wantPascal(p, s, "service") }),
		},
		{
			"SERVICE_SUFFIX", Naming,
			"A service's name ends in Service, which tells it from the messages of the same thing and keeps their names free.",
			"service Pets {}", "service PetService {}",
			eachService(func(p *pass, s protoreflect.ServiceDescriptor) {
				if !strings.HasSuffix(string(s.Name()), "Service") {
					p.named(s, "service %s is to end in Service: %sService", s.Name(), s.Name())
				}
			}),
		},
		{
			"RPC_PASCAL_CASE", Naming,
			"A method is called in PascalCase: it is an exported method in Go, and a part of the path of its calls.",
			"message Pet {}\nservice PetService {\n  rpc get_pet(Pet) returns (Pet);\n}", "message Pet {}\nservice PetService {\n  rpc GetPet(Pet) returns (Pet);\n}",
			eachMethod(func(p *pass, m protoreflect.MethodDescriptor) { wantPascal(p, m, "method") }),
		},
		{
			"PACKAGE_LOWER_SNAKE_CASE", Naming,
			"Each part of a package's name is written in lower_snake_case: it becomes a folder, and a package in languages that have no capitals there.",
			"-- a.proto --\nsyntax = \"proto3\";\n\npackage Acme.petStore.v1;", "-- a.proto --\nsyntax = \"proto3\";\n\npackage acme.pet_store.v1;",
			eachFile(packageSpelling),
		},
		{
			"FILE_LOWER_SNAKE_CASE", Naming,
			"A file is called in lower_snake_case. Some systems tell capitals apart in names of files and some do not, and a file that only some find is no good to others.",
			"-- acme/v1/petStore.proto --\nsyntax = \"proto3\";\n\npackage acme.v1;", "-- acme/v1/pet_store.proto --\nsyntax = \"proto3\";\n\npackage acme.v1;",
			eachFile(func(p *pass, file protoreflect.FileDescriptor) {
				base := strings.TrimSuffix(path.Base(file.Path()), ".proto")
				if !lowerSnake.MatchString(base) {
					p.at(file, nil, "the file is to be called in lower_snake_case: %s.proto", toLowerSnake(base))
				}
			}),
		},
	}
}

func wantPascal(p *pass, d protoreflect.Descriptor, kind string) {
	if name := string(d.Name()); !pascal.MatchString(name) {
		p.named(d, "%s %s is to be called in PascalCase: %s", kind, name, toPascal(name))
	}
}

func packageSpelling(p *pass, file protoreflect.FileDescriptor) {
	if file.Package() == "" {
		return
	}
	parts := strings.Split(string(file.Package()), ".")
	wrong := false
	for i, part := range parts {
		if !lowerSnake.MatchString(part) {
			wrong = true
			parts[i] = toLowerSnake(part)
		}
	}
	if wrong {
		p.at(file, partPackage, "package %s is to be written in lower_snake_case: %s", file.Package(), strings.Join(parts, "."))
	}
}
