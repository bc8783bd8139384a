package openapi_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/document"
)

func compile(t *testing.T, folder string) []protoreflect.FileDescriptor {
	t.Helper()
	source, err := protobuild.Find(folder, protobuild.Settings{Roots: []string{"."}})
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := protobuild.Compile(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Files
}

// folders are .proto files of many kinds.
func folders(t *testing.T) map[string]string {
	t.Helper()
	own := t.TempDir()
	text := `syntax = "proto2";
package old.v1;
message Old {
  required string name = 1 [default = "x"];
  optional group Inner = 2 { optional int32 a = 1; }
  optional Kind kind = 3 [default = TWO];
  optional double ratio = 4 [default = inf];
  optional bytes raw = 5 [default = "\001"];
  oneof only { string one = 6; }
  oneof two { string a = 7; Old b = 8; int64 c = 9; }
  enum Kind { ONE = 1; TWO = 2; }
}
service OldService {
  rpc Do(Old) returns (Old);
}
`
	if err := os.WriteFile(filepath.Join(own, "old.proto"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"all types":    "../../internal/protobuild/document/testdata",
		"proto2":       own,
		"google's own": "../../internal/protobuild/standard",
	}
}

// TestValidByTheSchemaOfOpenAPI has every description validated in both encodings.
func TestValidByTheSchemaOfOpenAPI(t *testing.T) {
	for name, folder := range folders(t) {
		files := compile(t, folder)
		for _, encoding := range []document.Encoding{document.JSON, document.YAML} {
			text, err := document.OpenAPI(files, document.Options{Title: name}, encoding)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := libopenapi.NewDocument(text)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			judge, problems := validator.NewValidator(parsed)
			if len(problems) > 0 {
				t.Fatalf("%s: %v", name, problems)
			}
			valid, wrong := judge.ValidateDocument()
			if !valid {
				for _, w := range wrong {
					t.Errorf("%s: %s: %s", name, w.Message, w.Reason)
					for _, detail := range w.SchemaValidationErrors {
						t.Errorf("  %s: %s", detail.FieldPath, detail.Reason)
					}
				}
			}
		}
	}
}

// messagesOfEach is how many made-up messages of each type are validated.
const messagesOfEach = 50

// TestSchemasTakeWhatProtobufWrites makes up messages of every type, and wants the JSON that protobuf-go writes of
// them to be valid by the schemas; and what is made wrong not to be.
func TestSchemasTakeWhatProtobufWrites(t *testing.T) {
	count := 0
	for name, folder := range folders(t) {
		files := compile(t, folder)
		text, err := document.OpenAPI(files, document.Options{Title: name}, document.JSON)
		if err != nil {
			t.Fatal(err)
		}
		compiler := compilerOf(t, text)
		random := rand.New(rand.NewPCG(1, 2))
		for _, file := range files {
			for i := range file.Messages().Len() {
				m := file.Messages().Get(i)
				schema, err := compiler.Compile("api.json#/components/schemas/" + string(m.FullName()))
				if err != nil {
					if strings.HasPrefix(string(m.FullName()), "google.protobuf.") {
						continue // it has no schema of its own
					}
					t.Fatal(err)
				}
				for range messagesOfEach {
					judge(t, schema, makeUp(m, random, 0))
					count++
				}
			}
		}
	}
	t.Logf("%d messages are valid", count)
}

func compilerOf(t *testing.T, text []byte) *jsonschema.Compiler {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertContent()
	compiler.AssertFormat()
	if err := compiler.AddResource("api.json", parsed); err != nil {
		t.Fatal(err)
	}
	return compiler
}

func judge(t *testing.T, schema *jsonschema.Schema, m proto.Message) {
	t.Helper()
	for _, options := range []protojson.MarshalOptions{{AllowPartial: true}, {AllowPartial: true, EmitDefaultValues: true}} {
		raw, err := options.Marshal(m)
		if err != nil {
			t.Fatalf("%v: %v", m, err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
	}
}

// makeUp returns a message with fields that are set at random; those that are required always are.
func makeUp(d protoreflect.MessageDescriptor, random *rand.Rand, depth int) proto.Message {
	m := dynamicpb.NewMessage(d)
	if special(m, random, depth) {
		return m
	}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		needed := f.Cardinality() == protoreflect.Required || requiredByOption(f)
		if !needed && (random.IntN(2) == 0 || depth > 1 && f.Message() != nil) {
			continue // messages within messages would otherwise grow without end
		}
		switch {
		case needed && f.Kind() == protoreflect.StringKind: // an empty one would not be written
			m.Set(f, protoreflect.ValueOfString(letters))
		case f.IsMap():
			key := scalar(f.MapKey(), random)
			m.Mutable(f).Map().Set(key.MapKey(), value(f.MapValue(), random, depth))
		case f.IsList():
			for range random.IntN(3) + 1 {
				m.Mutable(f).List().Append(value(f, random, depth))
			}
		default:
			m.Set(f, value(f, random, depth))
		}
	}
	return m
}

// requiredByOption reports whether the field has google.api.field_behavior REQUIRED, by the bytes of its options:
// field 1052 has the value 2, alone or packed with others.
func requiredByOption(f protoreflect.FieldDescriptor) bool {
	raw, err := proto.Marshal(f.Options())
	if err != nil {
		return false
	}
	for len(raw) > 0 {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return false
		}
		raw = raw[n:]
		length := protowire.ConsumeFieldValue(number, kind, raw)
		if length < 0 {
			return false
		}
		if number == 1052 && bytes.IndexByte(raw[:length], 2) >= 0 {
			return true
		}
		raw = raw[length:]
	}
	return false
}

func value(f protoreflect.FieldDescriptor, random *rand.Rand, depth int) protoreflect.Value {
	if f.Message() != nil {
		return protoreflect.ValueOfMessage(makeUp(f.Message(), random, depth+1).ProtoReflect())
	}
	return scalar(f, random)
}

func scalar(f protoreflect.FieldDescriptor, random *rand.Rand) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(random.IntN(2) == 0)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(f.Enum().Values().Get(random.IntN(f.Enum().Values().Len())).Number())
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(random.Uint32()))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(random.Uint32())
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(random.Uint64()))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(random.Uint64())
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(floats[random.IntN(len(floats))]))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(floats[random.IntN(len(floats))])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(letters[:random.IntN(len(letters))]))
	default:
		return protoreflect.ValueOfString(letters[:random.IntN(len(letters))])
	}
}

const letters = "panda says hello"

var floats = []float64{0, 1, -0.5, 1e30, math.NaN(), math.Inf(1), math.Inf(-1)}

// special fills messages that not every value is allowed in.
func special(m *dynamicpb.Message, random *rand.Rand, depth int) bool {
	fields := m.Descriptor().Fields()
	switch m.Descriptor().FullName() {
	case "google.protobuf.Timestamp", "google.protobuf.Duration":
		m.Set(fields.ByName("seconds"), protoreflect.ValueOfInt64(random.Int64N(4_000_000_000)))
		m.Set(fields.ByName("nanos"), protoreflect.ValueOfInt32(random.Int32N(1_000_000_000)))
	case "google.protobuf.FieldMask":
		m.Mutable(fields.ByName("paths")).List().Append(protoreflect.ValueOfString("a.b_c"))
	case "google.protobuf.Any":
		m.Set(fields.ByName("type_url"), protoreflect.ValueOfString("type.googleapis.com/google.protobuf.Empty"))
	case "google.protobuf.Value":
		kind := []protoreflect.Name{"null_value", "number_value", "string_value", "bool_value", "struct_value", "list_value"}[random.IntN(6)]
		switch {
		case kind == "number_value":
			m.Set(fields.ByName(kind), protoreflect.ValueOfFloat64(2.5))
		case depth > 3 && fields.ByName(kind).Message() != nil:
			m.Set(fields.ByName("bool_value"), protoreflect.ValueOfBool(true))
		default:
			m.Set(fields.ByName(kind), value(fields.ByName(kind), random, depth))
		}
	default:
		return false
	}
	return true
}

// TestSchemasRefuse wants values to be refused that protobuf's JSON form has no room for.
func TestSchemasRefuse(t *testing.T) {
	text, err := document.OpenAPI(compile(t, "../../internal/protobuild/document/testdata"), document.Options{}, document.JSON)
	if err != nil {
		t.Fatal(err)
	}
	compiler := compilerOf(t, text)
	for schema, wrong := range map[string][]string{
		"Numbers":         {`{"aInt32":"x"}`, `{"aInt64":"1.5"}`, `{"aUint64":"-1"}`, `{"aUint32":-1}`, `{"aBool":"true"}`, `{"aDouble":"1"}`, `{"aBytes":"*"}`, `{"aString":1}`},
		"Pet":             {`{"kind":"PET_KIND_COW"}`, `{"person":"a","household":{}}`, `{"kittens":{}}`, `{"outside":true,"room":1}`},
		"WellKnown":       {`{"time":"yesterday"}`, `{"duration":"1m"}`, `{"any":{}}`, `{"list":{}}`, `{"struct":[]}`, `{"int64":"x"}`, `{"null":"NULL_VALUE"}`, `{"mask":[]}`},
		"Maps":            {`{"byText":{"a":"b"}}`, `{"byNumber":{"a":{}}}`, `{"byUnsigned":{"-1":"PET_KIND_CAT"}}`, `{"byBool":{"yes":1}}`},
		"GetPetRequest":   {`{}`},
		"GetPetResponse":  {`{"pet":"x"}`},
		"ListPetsRequest": {`{"heavierThan":true}`},
	} {
		compiled, err := compiler.Compile("api.json#/components/schemas/acme.pet.v1." + schema)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range wrong {
			var value any
			if err := json.Unmarshal([]byte(w), &value); err != nil {
				t.Fatal(err)
			}
			if compiled.Validate(value) == nil {
				t.Errorf("%s takes %s", schema, w)
			}
		}
	}
}
