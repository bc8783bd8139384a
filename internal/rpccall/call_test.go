package rpccall

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/pandakit/panda/internal/rpccall/rpccalltest"
)

func dial(t *testing.T, address string) *Client {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return NewClient(conn, 1<<20)
}

func method(t *testing.T, c *Client, name string) *Method {
	t.Helper()
	m, err := c.Method(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// call returns the answers joined by line breaks.
func call(ctx context.Context, c *Client, m *Method, input string) (string, error) {
	var lines []string
	err := c.Call(ctx, Request{
		Method: m, Input: NewInput(strings.NewReader(input), c.MaxMessage()),
		Message: func(line []byte) error { lines = append(lines, string(line)); return nil },
	})
	return strings.Join(lines, "\n"), err
}

func TestCall(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	tests := []struct{ name, method, input, want string }{
		{"unary", "HelloService/SayHello", `{"name":"熊猫"}`, `{"msg":"你好,熊猫"}`},
		{"zero values are shown", "HelloService/SayHello", `{}`, `{"msg":""}`},
		{"no input is the empty message", "HelloService/SayHello", ``, `{"msg":""}`},
		{"gRPC's own", "Health/Check", `{}`, `{"status":"SERVING"}`},
		{"wrapper", "Upper", `"panda"`, `"PANDA"`},
		{"server stream", "Count", `{"upto":3}`, "{\"value\":\"1\"}\n{\"value\":\"2\"}\n{\"value\":\"3\"}"},
		{"empty server stream", "Count", ``, ""},
		{"client stream", "Sum", "{\"value\":1}\n{\"value\":2} {\"value\":\"39\"}", `{"value":"42"}`},
		{"empty client stream", "Sum", "", `{"value":"0"}`},
		{"both streams", "Chat", `{"text":"a"}{"text":"b"}`, "{\"text\":\"A\"}\n{\"text\":\"B\"}"},
		{"server ends both streams", "Chat", `{"text":"bye"}{"text":"b"}`, `{"text":"BYE"}`},
		{"any of the server's", "Carry", `{"@type":"type.googleapis.com/testpb.v1.Reason","why":"so"}`, `{"@type":"type.googleapis.com/testpb.v1.Reason","why":"so"}`},
		{"any of a well-known type", "Carry", `{"@type":"type.googleapis.com/google.protobuf.Duration","value":"2s"}`, `{"@type":"type.googleapis.com/google.protobuf.Duration","value":"2s"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := call(t.Context(), c, method(t, c, test.method), test.input)
			if err != nil || got != test.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, test.want)
			}
		})
	}
}

const everything = `{"aDouble":1.5,"aFloat":"NaN","anInt32":-1,"anInt64":"-9223372036854775808","aUint32":4294967295,` +
	`"aUint64":"18446744073709551615","aSint32":-2,"aSint64":"-3","aFixed32":4,"aFixed64":"5","aSfixed32":-6,"aSfixed64":"-7",` +
	`"aBool":true,"aString":"<熊猫> \u0001","aBytes":"AAH/","colour":"COLOUR_RED","nested":{"street":"a","inner":{"street":"b"}},` +
	`"words":["x",""],"children":[{"street":"c"},{"street":""}],"counts":{"a":1,"b":0},"byNumber":{"-1":{"street":"d"}},` +
	`"right":{"street":"e"},"maybe":0,"at":"2024-02-29T12:00:00.500Z","during":"-1.500s","free":{"list":[1,null,"s",{"k":false}]},` +
	`"any":{"@type":"type.googleapis.com/testpb.v1.Number","value":"8"}}`

func TestCallCarriesEveryKindOfField(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	got, err := call(t.Context(), c, method(t, c, "Echo"), everything)
	if err != nil || got != everything {
		t.Errorf("got  %s, %v\nwant %s", got, err, everything)
	}
	// The names of the .proto file, numbers as strings and enums as numbers are taken too.
	got, err = call(t.Context(), c, method(t, c, "Echo"), `{"an_int64":7,"colour":2,"a_double":"1e3","left":""}`)
	if err != nil || !strings.Contains(got, `"aDouble":1000,`) || !strings.Contains(got, `"anInt64":"7"`) ||
		!strings.Contains(got, `"colour":"COLOUR_GREEN"`) || !strings.Contains(got, `"left":""`) || strings.Contains(got, "maybe") {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestWrongInputIsToldBeforeAnyCall(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	tests := []struct{ name, method, input, want string }{
		{"unknown field", "HelloService/SayHello", `{"nam":"x"}`,
			`read JSON at 1:2: testpb.v1.HelloRequest has no field "nam"; near: name`},
		{"unknown field with nothing near", "HelloService/SayHello", "\n{\n  \"zzz\":1}",
			`read JSON at 3:3: testpb.v1.HelloRequest has no field "zzz"; fields: name`},
		{"unknown field deep inside", "Echo", `{"children":[{},{"inner":{"stret":"x"}}]}`,
			`read JSON at 1:27: testpb.v1.Everything.Nested has no field "stret"; near: street`},
		{"unknown field in a map", "Echo", `{"byNumber":{"1":{"stret":"x"}}}`,
			`read JSON at 1:19: testpb.v1.Everything.Nested has no field "stret"; near: street`},
		{"message without fields", "HelloService/Wait", `{"a":1}`, `read JSON at 1:2: google.protobuf.Empty has no field "a"; it has no fields`},
		{"wrong type", "HelloService/SayHello", `{"name":5}`, `read JSON at 1:9: invalid value for string field name: 5`},
		{"out of range", "Echo", `{"anInt32":2147483648}`, `read JSON at 1:12: invalid value for int32 field anInt32: 2147483648`},
		{"not base64", "Echo", `{"aBytes":"*"}`, `read JSON at 1:11: invalid value for bytes field aBytes: "*"`},
		{"unknown enum value", "Echo", `{"colour":"MAUVE"}`, `read JSON at 1:11: invalid value for enum field colour: "MAUVE"; values: COLOUR_UNSPECIFIED, COLOUR_RED, COLOUR_GREEN`},
		{"enum value with one near", "Echo", `{"colour":"COLOUR_RDE"}`, `read JSON at 1:11: invalid value for enum field colour: "COLOUR_RDE"; near: COLOUR_RED, COLOUR_GREEN`},
		{"enum value in a list deep inside", "HelloService/SayHello", `{"name":"\u001b","nme":1}`, `read JSON at 1:18: testpb.v1.HelloRequest has no field "nme"; near: name`},
		{"field twice", "HelloService/SayHello", `{"name":"a","name":"b"}`, `read JSON at 1:13: duplicate field "name"`},
		{"two of a oneof", "Echo", `{"left":"a","right":{}}`, `read JSON at 1:13: error parsing "right", oneof testpb.v1.Everything.choice is already set`},
		{"not a message", "HelloService/SayHello", `[1]`, `read JSON at 1:1: unexpected token [`},
		{"any of unknown type", "Carry", `{"@type":"x/nobody.Knows"}`, `read JSON at 1:10: unable to resolve "x/nobody.Knows": "not found"`},
		{"second message", "HelloService/SayHello", "{}\n {}", `read JSON at 2:2: testpb.v1.HelloService/SayHello takes one message, and this is another`},
		{"not JSON", "Count", `{"upto":}`, `read JSON at 1:9: invalid character '}' looking for beginning of value`},
		{"too large", "HelloService/SayHello", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, `read JSON at 1:1: the value is larger than 1048576 bytes`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := call(t.Context(), c, method(t, c, test.method), test.input)
			var wrong *InputError
			if !errors.As(err, &wrong) || err.Error() != test.want {
				t.Errorf("got  %s %v\nwant %s", got, err, test.want)
			}
		})
	}
}

func TestWrongInputOfAStreamReadAhead(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	err := c.Call(t.Context(), Request{
		Method: method(t, c, "Chat"), Ahead: true,
		Input:   NewInput(strings.NewReader("{\"text\":\"a\"}\n{\"txt\":\"b\"}"), 1000),
		Message: func(line []byte) error { return fmt.Errorf("a call was begun: %s", line) },
	})
	if err == nil || err.Error() != `read JSON at 2:2: testpb.v1.Line has no field "txt"; near: text` {
		t.Errorf("got %v", err)
	}
}

func TestWrongInputInTheMiddleOfAStream(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	for _, name := range []string{"Chat", "Sum"} {
		_, err := call(t.Context(), c, method(t, c, name), "{}\n{\"zzz\":1}")
		var wrong *InputError
		if !errors.As(err, &wrong) || wrong.Line != 2 {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A conversation: each answer comes before the next line is written.
func TestCallInterleavesInputAndOutput(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	r, w := io.Pipe()
	answers := make(chan string)
	done := make(chan error, 1)
	go func() {
		done <- c.Call(t.Context(), Request{
			Method: method(t, c, "Chat"), Input: NewInput(r, 1000),
			Message: func(line []byte) error { answers <- string(line); return nil },
		})
	}()
	for _, word := range []string{"one", "two", "three"} {
		if _, err := fmt.Fprintf(w, `{"text":%q}`, word); err != nil {
			t.Fatal(err)
		}
		if got, want := <-answers, fmt.Sprintf(`{"text":%q}`, strings.ToUpper(word)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The server ends the call while the input, like a terminal, has neither more nor an end.
func TestCallReturnsWhenTheServerEndsIt(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	r, w := io.Pipe()
	defer func() { _ = r.Close() }()
	go func() { _, _ = io.WriteString(w, `{"text":"bye"}`) }()
	var got []string
	err := c.Call(t.Context(), Request{
		Method: method(t, c, "Chat"), Input: NewInput(r, 1000),
		Message: func(line []byte) error { got = append(got, string(line)); return nil },
	})
	if err != nil || !slices.Equal(got, []string{`{"text":"BYE"}`}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCallStopsWithItsContext(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	for _, name := range []string{"Chat", "Sum", "Upper"} {
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		m := method(t, c, name)
		done := make(chan error, 1)
		go func() {
			done <- c.Call(ctx, Request{Method: m, Input: NewInput(r, 1000), Message: func([]byte) error { return nil }})
		}()
		cancel()
		if err := <-done; err == nil {
			t.Errorf("%s: no error", name)
		}
		_ = w.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var failed *StatusError
	if _, err := call(ctx, c, method(t, c, "HelloService/Wait"), "{}"); !errors.As(err, &failed) && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCallEndsWhenTheOutputFails(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	closed := errors.New("standard output is closed")
	for name, input := range map[string]string{"Count": `{"upto":100000}`, "Upper": `"x"`} {
		err := c.Call(t.Context(), Request{
			Method: method(t, c, name), Input: NewInput(strings.NewReader(input), 1000),
			Message: func([]byte) error { return closed },
		})
		if !errors.Is(err, closed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestStatus(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	tests := []struct {
		name, method, input string
		code                codes.Code
		want                string
	}{
		{"code and message", "Fail", `{"code":5,"message":"no such panda"}`, codes.NotFound, "NOT_FOUND: no such panda"},
		{"no message", "Fail", `{"code":13}`, codes.Internal, "INTERNAL"},
		{"unknown code", "Fail", `{"code":99,"message":"?"}`, 99, "CODE_99: ?"},
		{"control characters", "Fail", `{"code":3,"message":"a\u001b[31m\nb"}`, codes.InvalidArgument, "INVALID_ARGUMENT: a\\u001b[31m\nb"},
		{"not implemented", "GreeterService/SayHello", `{}`, codes.Unimplemented, "UNIMPLEMENTED: method SayHello not implemented"},
		{"after answers", "Count", `{"upto":2,"code":8}`, codes.ResourceExhausted, "RESOURCE_EXHAUSTED: counted"},
		{"while sending", "Sum", strings.Repeat(`{"value":600}`, 5000), codes.OutOfRange, "OUT_OF_RANGE: more than 1000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := call(t.Context(), c, method(t, c, test.method), test.input)
			var failed *StatusError
			if !errors.As(err, &failed) || failed.Code != test.code || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestStatusDetails(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	_, err := call(t.Context(), c, method(t, c, "Fail"), `{"code":3,"message":"bad","details":true}`)
	var failed *StatusError
	if !errors.As(err, &failed) || len(failed.Details) != 3 {
		t.Fatalf("got %v", err)
	}
	want := []string{
		`{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"name","description":"is empty","reason":""}]}`,
		`{"@type":"type.googleapis.com/testpb.v1.Reason","why":"because"}`,
		`{"@type":"type.example.com/nobody.Knows","undecoded":"` + base64.StdEncoding.EncodeToString([]byte("?")) + `"}`,
	}
	for i, detail := range failed.Details {
		if string(detail) != want[i] {
			t.Errorf("got  %s\nwant %s", detail, want[i])
		}
	}
}

func TestMetadata(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	var header, trailer metadata.MD
	var got string
	err := c.Call(t.Context(), Request{
		Method: method(t, c, "Show"), Input: NewInput(strings.NewReader(""), 1000),
		Metadata: metadata.Pairs("x-one", "1", "x-one", "2", "x-raw-bin", "A"),
		Message:  func(line []byte) error { got = string(line); return nil },
		Header:   func(md metadata.MD) { header = md },
		Trailer:  func(md metadata.MD) { trailer = md },
	})
	if err != nil || got != `{"metadata":{"x-one":"1,2","x-raw-bin":"A"}}` {
		t.Errorf("got %s, %v", got, err)
	}
	if !slices.Equal(header.Get("x-header"), []string{"first"}) || !slices.Equal(header.Get("x-raw-bin"), []string{"\x00\x01"}) {
		t.Errorf("header %v", header)
	}
	if !slices.Equal(trailer.Get("x-trailer"), []string{"last"}) {
		t.Errorf("trailer %v", trailer)
	}
}

func TestMetadataOfAStream(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	var events []string
	note := func(event string) func(metadata.MD) { return func(metadata.MD) { events = append(events, event) } }
	err := c.Call(t.Context(), Request{
		Method: method(t, c, "Count"), Input: NewInput(bufio.NewReader(strings.NewReader(`{"upto":1}`)), 1000),
		Message: func([]byte) error { events = append(events, "message"); return nil },
		Header:  note("header"), Trailer: note("trailer"),
	})
	if err != nil || len(events) < 2 || !slices.Equal(events[:2], []string{"header", "message"}) {
		t.Errorf("got %v, %v", events, err)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	conn, err := grpc.NewClient("passthrough:///"+rpccalltest.Start(t), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	c := NewClient(conn, 64)
	err = c.Call(t.Context(), Request{
		Method: method(t, c, "Show"), Input: NewInput(strings.NewReader(""), c.MaxMessage()),
		Metadata: metadata.Pairs("x-long", strings.Repeat("x", 100)),
		Message:  func(line []byte) error { return fmt.Errorf("too long: %s", line) },
	})
	var failed *StatusError
	if !errors.As(err, &failed) || failed.Code != codes.ResourceExhausted {
		t.Errorf("an answer of over 100 bytes: got %v", err)
	}
}
