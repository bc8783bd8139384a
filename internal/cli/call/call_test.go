package call

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"google.golang.org/grpc/metadata"
)

func TestParseMetadata(t *testing.T) {
	got, err := parseMetadata([]string{"A=1", "a=2", "empty=", "b.c_d-1=x=y", "raw-bin=AAH/", "padded-bin=AA=="})
	want := metadata.MD{"a": {"1", "2"}, "empty": {""}, "b.c_d-1": {"x=y"}, "raw-bin": {"\x00\x01\xff"}, "padded-bin": {"\x00"}}
	if err != nil || !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %q, %v", got, err)
	}
	for _, pair := range []string{"", "a", "=x", "a b=x", ":path=/x", "grpc-status=0", "GRPC-x=0", "a=\x01", "a=熊", "a-bin=*", "熊=x"} {
		if md, err := parseMetadata([]string{pair}); err == nil {
			t.Errorf("%q was taken as %q", pair, md)
		}
	}
}

func TestPrintMetadata(t *testing.T) {
	var out bytes.Buffer
	printMetadata(&out, "header", metadata.MD{"b": {"2", "\x1b[31m"}, "a-bin": {"\x00"}})
	want := `header: a-bin: "AA=="
header: b: "2"
header: b: "\x1b[31m"
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}
