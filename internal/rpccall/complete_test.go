package rpccall

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/pandakit/panda/internal/rpccall/internal/testpb"
)

func TestCompleteJSON(t *testing.T) {
	for _, test := range []struct {
		message proto.Message
		begun   string
		want    []string
	}{
		{&testpb.HelloRequest{}, "", []string{`{"name":""}`}},
		{&testpb.HelloRequest{}, "{", []string{`{"name":`}},
		{&testpb.HelloRequest{}, `{"na`, []string{`{"name":`}},
		{&testpb.HelloRequest{}, `{"x`, nil},
		{&testpb.HelloRequest{}, `{"name"`, nil},
		{&testpb.HelloRequest{}, `{"name":`, nil},
		{&testpb.HelloRequest{}, `{"name":"x`, nil},
		{&testpb.HelloRequest{}, `{"name":"x",`, nil},
		{&testpb.HelloRequest{}, `{"name":"x"}`, nil},
		{&testpb.FailRequest{}, `{"message":"x",`, []string{`{"message":"x","code":`, `{"message":"x","details":`}},
		{&testpb.FailRequest{}, `{"details": `, []string{`{"details": true`, `{"details": false`}},
		{&testpb.FailRequest{}, `{"details": true`, nil},
		{&testpb.FailRequest{}, `{"details": "`, nil},
		{&testpb.Everything{}, `{"nested":{"inner":{"st`, []string{`{"nested":{"inner":{"street":`}},
		{&testpb.Everything{}, `{"nested":{"inner":{}},"child`, []string{`{"nested":{"inner":{}},"children":`}},
		{&testpb.Everything{}, `{"children":[{},{"`, []string{`{"children":[{},{"street":`, `{"children":[{},{"inner":`}},
		{&testpb.Everything{}, `{"by_number":{"1":{"s`, []string{`{"by_number":{"1":{"street":`}},
		{&testpb.Everything{}, `{"byNumber":{"`, nil},
		{&testpb.Everything{}, `{"colour":"COLOUR_R`, []string{`{"colour":"COLOUR_RED"`}},
		{&testpb.Everything{}, `{"aB`, []string{`{"aBool":`, `{"aBytes":`}},
		{&testpb.Everything{}, `{"any":{"`, nil},
		{&testpb.Everything{}, `{"words":["`, nil},
		{&testpb.Everything{}, `[{"`, nil},
		{&testpb.Everything{}, `]`, nil},
		{&testpb.Everything{}, `{"\"":`, nil},
	} {
		if got := completeJSON(test.message.ProtoReflect().Descriptor(), test.begun); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.begun, got, test.want)
		}
	}
}

// FuzzCompleteJSON takes any text; what it completes goes on with it.
func FuzzCompleteJSON(f *testing.F) {
	for _, seed := range []string{everything, `{"nested":{"inner":{"`, `{"children":[{`, `{"byNumber":{"1":`, `}]`, `[[{"a":[`, "{\"a\\", `{"details":`} {
		f.Add(seed)
	}
	md := (&testpb.Everything{}).ProtoReflect().Descriptor()
	f.Fuzz(func(t *testing.T, begun string) {
		for _, text := range completeJSON(md, begun) {
			if strings.TrimSpace(begun) != "" && (!strings.HasPrefix(text, begun) || len(text) == len(begun)) {
				t.Fatalf("%q became %q", begun, text)
			}
		}
	})
}
