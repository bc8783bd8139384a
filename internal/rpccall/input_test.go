package rpccall

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func readAll(in *Input) (texts []string, err error) {
	for {
		v, err := in.next()
		if errors.Is(err, io.EOF) {
			return texts, nil
		}
		if err != nil {
			return texts, err
		}
		texts = append(texts, string(v.raw))
	}
}

func TestInputSplitsValues(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"", nil},
		{" \n\t\r\n", nil},
		{`{"a":1}`, []string{`{"a":1}`}},
		{"{\"a\":\n1}\n{}", []string{"{\"a\":\n1}", "{}"}},
		{`{}{}`, []string{`{}`, `{}`}},
		{`{"a":"}{\"\\"}[1,[2]]`, []string{`{"a":"}{\"\\"}`, `[1,[2]]`}},
		{`1 true "x" null`, []string{"1", "true", `"x"`, "null"}},
		{`1{}`, []string{"1", "{}"}},
	}
	for _, test := range tests {
		for name, reader := range map[string]io.Reader{"whole": strings.NewReader(test.text), "bytes": iotest.OneByteReader(strings.NewReader(test.text))} {
			got, err := readAll(NewInput(reader, 1<<10))
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%s %q: got %q, %v; want %q", name, test.text, got, err, test.want)
			}
		}
	}
}

func TestInputSaysWhatIsWrongAndWhere(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"word", `hello`, `read JSON at 1:1: invalid character 'h' looking for beginning of value`},
		{"missing colon", `{"a" 1}`, `read JSON at 1:6: invalid character '1' after object key`},
		{"second line", "{\n  \"a\": x}", `read JSON at 2:8: invalid character 'x' looking for beginning of value`},
		{"columns are characters", `{"熊猫":"你好" }}`, `read JSON at 1:13: invalid character '}' looking for beginning of value`},
		{"second value", "{}\n{]", `read JSON at 2:2: invalid character ']' looking for beginning of object key string`},
		{"cut short", `{"a":`, `read JSON at 1:6: unexpected end of JSON input`},
		{"open string", `"abc`, `read JSON at 1:5: unexpected end of JSON input`},
		{"comma between values", `{},{}`, `read JSON at 1:3: invalid character ',' looking for beginning of value`},
		{"too large", `{"a":"` + strings.Repeat("x", 100) + `"}`, `read JSON at 1:1: the value is larger than 64 bytes`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := NewInput(strings.NewReader(test.text), 64)
			err := in.Check()
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if _, again := in.next(); !errors.Is(again, err) {
				t.Errorf("after an error, next returns %v", again)
			}
		})
	}
}

func TestInputReturnsAValueBeforeMoreComes(t *testing.T) {
	r, w := io.Pipe()
	defer func() { _ = r.Close() }()
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(w, `{"a":1}`)
		written <- err
	}()
	v, err := NewInput(r, 100).next()
	if err != nil || string(v.raw) != `{"a":1}` {
		t.Fatalf("got %q, %v", v.raw, err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}

func TestInputReportsTheReadersError(t *testing.T) {
	broken := errors.New("broken pipe")
	for _, text := range []string{"", "{", "12"} {
		_, err := readAll(NewInput(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), 100))
		if !errors.Is(err, broken) {
			t.Errorf("after %q: got %v", text, err)
		}
	}
}

// FuzzInput compares with encoding/json, which takes the same sequences of values, and also numbers and
// words with nothing between them ("00"): those are mistakes here.
func FuzzInput(f *testing.F) {
	for _, seed := range []string{"", "{}", "{\"a\":1}\n[2]", "1 2", `"\u00e9\""`, "{]", "nul", "\xff", `{"a":"b`, "1,2", "00", "-", "[1}{2]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readAll(NewInput(strings.NewReader(text), 1<<20))
		decoder := json.NewDecoder(strings.NewReader(text))
		var want []string
		var wantErr error
		for {
			var raw json.RawMessage
			if wantErr = decoder.Decode(&raw); wantErr != nil {
				break
			}
			want = append(want, string(raw))
		}
		if errors.Is(wantErr, io.EOF) {
			wantErr = nil
		}
		if wantErr != nil {
			if err == nil {
				t.Fatalf("%q: got %q, encoding/json %v", text, got, wantErr)
			}
			return
		}
		if err != nil { // then only because nothing is between the values
			got, err = readAll(NewInput(strings.NewReader(strings.Join(want, "\n")), 1<<20))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q: got %q, %v, encoding/json %q", text, got, err, want)
		}
	})
}
