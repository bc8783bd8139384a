package breaking

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/pandakit/panda/internal/protobuild/place"
)

// The numbers of parts of a FileDescriptorProto and of a MethodDescriptorProto.
const (
	partPackage       = 2
	partFileOptions   = 8
	partSyntax        = 12
	partRequest       = 2
	partResponse      = 3
	partMethodOptions = 4
	optionIdempotency = 34

	partMessageOptions = 7
	optionNoAccessor   = 2

	optionJSType = 6
	optionCType  = 1
)

// fileOptions are the options of a file that generated code depends on, and what they change.
var fileOptions = []struct{ name, why string }{
	{"cc_enable_arenas", "C++ code that uses arenas no longer compiles"},
	{"cc_generic_services", "C++ code of the services appears or goes"},
	{"csharp_namespace", "C# code finds the generated types elsewhere"},
	{"go_package", "Go code imports the generated package from elsewhere"},
	{"java_generic_services", "Java code of the services appears or goes"},
	{"java_multiple_files", "Java code finds the generated classes elsewhere"},
	{"java_outer_classname", "Java code finds the generated classes elsewhere"},
	{"java_package", "Java code finds the generated classes elsewhere"},
	{"objc_class_prefix", "the generated Objective-C classes are called otherwise"},
	{"optimize_for", "generated code loses or gains what the other mode has"},
	{"php_class_prefix", "the generated PHP classes are called otherwise"},
	{"php_metadata_namespace", "PHP code finds the generated classes elsewhere"},
	{"php_namespace", "PHP code finds the generated classes elsewhere"},
	{"py_generic_services", "Python code of the services appears or goes"},
	{"ruby_package", "Ruby code finds the generated modules elsewhere"},
	{"swift_prefix", "the generated Swift types are called otherwise"},
}

var fileRules = makeFileRules()

func makeFileRules() []Rule {
	list := []Rule{
		{
			"FILE_SAME_PACKAGE", wireUp, "The package of a file changes.",
			"everything in it has another name: calls of its services end with UNIMPLEMENTED, and code no longer compiles", "package", pairsOfFiles(samePackage),
		},
		{
			"FILE_SAME_SYNTAX", onlySource, "The syntax or edition of a file changes.",
			"generated code, defaults and the checking of strings and enums differ", "syntax", pairsOfFiles(sameSyntax),
		},
	}
	for _, option := range fileOptions {
		list = append(list, Rule{
			"FILE_SAME_" + strings.ToUpper(option.name), onlySource, fmt.Sprintf("The option %s of a file changes.", option.name),
			option.why, "file-option", pairsOfFiles(sameOption(option.name)),
		})
	}
	return list
}

func sameOption(name string) func(p *pass, before, now protoreflect.FileDescriptor) {
	field := (*descriptorpb.FileOptions)(nil).ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(name))
	return func(p *pass, before, now protoreflect.FileDescriptor) {
		was, is := optionText(before, field), optionText(now, field)
		if was != is {
			p.report(now.Path()+" "+name, place.Of(now, partFileOptions, int32(field.Number())), "option %s was %s and is %s now", name, was, is)
		}
	}
}

func optionText(file protoreflect.FileDescriptor, field protoreflect.FieldDescriptor) string {
	options, _ := file.Options().(*descriptorpb.FileOptions)
	value := options.ProtoReflect().Get(field)
	switch field.Kind() {
	case protoreflect.StringKind:
		return fmt.Sprintf("%q", value.String())
	case protoreflect.EnumKind:
		return string(field.Enum().Values().ByNumber(value.Enum()).Name())
	default:
		return fmt.Sprint(value.Interface())
	}
}

func samePackage(p *pass, before, now protoreflect.FileDescriptor) {
	if before.Package() != now.Package() {
		p.report(now.Path(), place.Of(now, partPackage), "the package was %q and is %q now", before.Package(), now.Package())
	}
}

func syntaxText(file protoreflect.FileDescriptor) string {
	if file.Syntax() == protoreflect.Editions {
		return "editions"
	}
	return file.Syntax().String()
}

func sameSyntax(p *pass, before, now protoreflect.FileDescriptor) {
	if was, is := syntaxText(before), syntaxText(now); was != is {
		p.report(now.Path(), place.Of(now, partSyntax), "the syntax was %s and is %s now", was, is)
	}
}

func accessorKept(p *pass, before, now protoreflect.MessageDescriptor) {
	off := func(m protoreflect.MessageDescriptor) bool {
		options, _ := m.Options().(*descriptorpb.MessageOptions)
		return options.GetNoStandardDescriptorAccessor()
	}
	if !off(before) && off(now) {
		p.report(string(now.FullName()), place.Of(now, partMessageOptions, optionNoAccessor), "message %s has the option no_standard_descriptor_accessor now", now.FullName())
	}
}

// feature returns what a feature is for d, from its own options, what it is in, or its file's edition.
func feature(d protoreflect.Descriptor, name protoreflect.Name) protoreflect.EnumNumber {
	field := (*descriptorpb.FeatureSet)(nil).ProtoReflect().Descriptor().Fields().ByName(name)
	value, err := protoutil.ResolveFeature(d, field)
	if err != nil {
		return 0 // an edition that is not known; whoever compiled it knows more than this comparison
	}
	return value.Enum()
}

const (
	jsonAllowed  = protoreflect.EnumNumber(descriptorpb.FeatureSet_ALLOW)
	utf8Verified = protoreflect.EnumNumber(descriptorpb.FeatureSet_VERIFY)
)

// The paths to features from a message, an enum and a field.
var (
	messageFeatures = []int32{7, 12}
	enumFeatures    = []int32{3, 7}
	fieldFeatures   = []int32{8, 21}
)

// The numbers of features, and of the option that says the same of Java alone.
const (
	featureEnumType   = 2
	featureUTF8       = 4
	featureJSONFormat = 6
	optionJavaUTF8    = 27
)

func (p *pass) judgeJSONFormat(kind string, before, now protoreflect.Descriptor, features []int32) {
	if feature(before, "json_format") == jsonAllowed && feature(now, "json_format") != jsonAllowed {
		p.report(string(now.FullName()), place.Of(now, slices.Concat(features, []int32{featureJSONFormat})...), "%s %s was fit for JSON and is so only by the way now", kind, now.FullName())
	}
}

func messageJSONFormat(p *pass, before, now protoreflect.MessageDescriptor) {
	p.judgeJSONFormat("message", before, now, messageFeatures)
}

func enumJSONFormat(p *pass, before, now protoreflect.EnumDescriptor) {
	p.judgeJSONFormat("enum", before, now, enumFeatures)
}

func sameEnumType(p *pass, before, now protoreflect.EnumDescriptor) {
	text := func(e protoreflect.EnumDescriptor) string {
		if e.IsClosed() {
			return "closed"
		}
		return "open"
	}
	if before.IsClosed() != now.IsClosed() {
		p.report(string(now.FullName()), place.Of(now, slices.Concat(enumFeatures, []int32{featureEnumType})...), "enum %s was %s and is %s now", now.FullName(), text(before), text(now))
	}
}

// sameValueNames lets a number get more names: the old ones are still read.
func sameValueNames(p *pass, before, now protoreflect.EnumDescriptor) {
	was, is := valueNames(before), valueNames(now)
	for i := range now.Values().Len() {
		v := now.Values().Get(i)
		if missing := without(was[v.Number()], is[v.Number()]); len(missing) > 0 {
			p.report(valueElement(now, v.Number())+" "+string(v.Name()), place.Of(v, partValueNumber), "value %s (%d) of enum %s was called %s",
				v.Name(), v.Number(), now.FullName(), strings.Join(missing, ", "))
		}
	}
}

const partValueNumber = 2

// without returns what of list is not in other.
func without(list, other []string) []string {
	var rest []string
	has := make(map[string]bool, len(other))
	for _, o := range other {
		has[o] = true
	}
	for _, l := range list {
		if !has[l] {
			rest = append(rest, l)
		}
	}
	return rest
}

func utf8Text(verified bool) string {
	if verified {
		return "checked to be UTF-8"
	}
	return "not checked to be UTF-8"
}

func bothStrings(before, now protoreflect.FieldDescriptor) bool {
	return before.Kind() == protoreflect.StringKind && now.Kind() == protoreflect.StringKind
}

func sameUTF8(p *pass, before, now protoreflect.FieldDescriptor) {
	if !bothStrings(before, now) {
		return
	}
	was, is := feature(before, "utf8_validation") == utf8Verified, feature(now, "utf8_validation") == utf8Verified
	if was != is {
		at := place.Of(now, slices.Concat(fieldFeatures, []int32{featureUTF8})...)
		p.report(numbered(now), at, "%s was %s and is %s now", describe(now), utf8Text(was), utf8Text(is))
	}
}

// javaVerified is the older option where it is set, else what holds for all languages.
func javaVerified(f protoreflect.FieldDescriptor) bool {
	options, _ := f.ParentFile().Options().(*descriptorpb.FileOptions)
	return options.GetJavaStringCheckUtf8() || feature(f, "utf8_validation") == utf8Verified
}

func sameJavaUTF8(p *pass, before, now protoreflect.FieldDescriptor) {
	if !bothStrings(before, now) {
		return
	}
	if was, is := javaVerified(before), javaVerified(now); was != is {
		at := place.Of(now.ParentFile(), partFileOptions, optionJavaUTF8)
		if at.Line == 0 {
			at = place.Of(now)
		}
		p.report(numbered(now), at, "%s was %s in Java and is %s now", describe(now), utf8Text(was), utf8Text(is))
	}
}

func fieldOptions(f protoreflect.FieldDescriptor) *descriptorpb.FieldOptions {
	options, _ := f.Options().(*descriptorpb.FieldOptions)
	return options
}

func is64Bit(f protoreflect.FieldDescriptor) bool {
	switch f.Kind() {
	case protoreflect.Int64Kind, protoreflect.Uint64Kind, protoreflect.Sint64Kind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return true
	default:
		return false
	}
}

func sameJSType(p *pass, before, now protoreflect.FieldDescriptor) {
	was, is := fieldOptions(before).GetJstype(), fieldOptions(now).GetJstype()
	if is64Bit(before) && is64Bit(now) && was != is {
		p.report(numbered(now), place.Of(now, partOptions, optionJSType), "the jstype of %s was %s and is %s now", describe(now), was, is)
	}
}

// sameCType lets STRING_PIECE become STRING: the accessors of the one are among those of the other.
func sameCType(p *pass, before, now protoreflect.FieldDescriptor) {
	text := func(f protoreflect.FieldDescriptor) bool {
		inMap := f.ContainingMessage().IsMapEntry()
		return !inMap && (f.Kind() == protoreflect.StringKind || f.Kind() == protoreflect.BytesKind)
	}
	was, is := fieldOptions(before).GetCtype(), fieldOptions(now).GetCtype()
	if !text(before) || !text(now) || was == is {
		return
	}
	if was == descriptorpb.FieldOptions_STRING_PIECE && is == descriptorpb.FieldOptions_STRING {
		return
	}
	p.report(numbered(now), place.Of(now, partOptions, optionCType), "the ctype of %s was %s and is %s now", describe(now), was, is)
}
