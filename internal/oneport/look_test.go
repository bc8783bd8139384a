package oneport

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

func sampleFrames() []byte {
	var b bytes.Buffer
	b.WriteString(http2.ClientPreface)
	fr := http2.NewFramer(&b, nil)
	_ = fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
	_ = fr.WritePing(false, [8]byte{1})
	_ = fr.WriteSettingsAck()
	_ = fr.WriteWindowUpdate(0, 5)
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82, 0x86}, EndHeaders: true, PadLength: 3})
	_ = fr.WriteSettingsAck()
	return b.Bytes()
}

// deaf takes what is written and has nothing to read.
type deaf struct{ net.Conn }

func (deaf) Read([]byte) (int, error)         { return 0, io.EOF }
func (deaf) Write(p []byte) (int, error)      { return len(p), nil }
func (deaf) SetReadDeadline(time.Time) error  { return nil }
func (deaf) SetWriteDeadline(time.Time) error { return nil }

// FuzzJudge feeds the bytes of a client, cut in two at any place, and checks that the verdict is the same
// as for one piece, and that what is kept for the server is what was sent, without whole frames that
// were answered.
func FuzzJudge(f *testing.F) {
	f.Add(sampleFrames(), 30)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), 3)
	f.Add([]byte{0x16, 3, 1}, 1)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if len(data) > maxLook || cut < 0 || cut > len(data) {
			return
		}
		whole, keptWhole := judge(data)
		parts, kept := judge(data[:cut], data[cut:])
		if whole != parts {
			t.Errorf("verdict %d in one piece, %d in two", whole, parts)
		}
		if whole == undecided && !bytes.Equal(kept, keptWhole) {
			t.Errorf("kept %q in one piece, %q in two", keptWhole, kept)
		}
		if len(kept) > len(data) {
			t.Errorf("kept %d bytes of %d", len(kept), len(data))
		}
	})
}

func judge(parts ...[]byte) (verdict, []byte) {
	l := &look{port: &Port{opts: Options{Logger: slog.New(slog.DiscardHandler)}}, conn: deaf{}}
	l.h2.sent = true // so that acknowledgements are taken out
	v := undecided
	for _, part := range parts {
		l.buf = append(l.buf, part...)
		if v == undecided {
			v = l.judge()
		}
	}
	return v, l.buf
}

// chunked reads n bytes at a time.
type chunked struct {
	net.Conn
	r     io.Reader
	n     int
	wrote bytes.Buffer
}

func (c *chunked) Read(p []byte) (int, error)  { return c.r.Read(p[:min(len(p), c.n)]) }
func (c *chunked) Write(p []byte) (int, error) { return c.wrote.Write(p) }

// FuzzFilter checks that exactly the first acknowledgement of settings disappears, however reads and
// writes are cut.
func FuzzFilter(f *testing.F) {
	f.Add(sampleFrames()[len(preface):], 1, 1)
	f.Add(sampleFrames()[len(preface):], 7, 3)
	f.Add(sampleFrames()[len(preface):], 64, 9)
	f.Fuzz(func(t *testing.T, data []byte, n, m int) {
		if n < 1 || m < 1 || n > 1<<10 || m > 1<<10 {
			return
		}
		want, whole := withoutFirstAck(data)
		under := &chunked{r: bytes.NewReader(data), n: n}
		c := &filterConn{Conn: under}
		got, p := []byte{}, make([]byte, m)
		for {
			n, err := c.Read(p)
			got = append(got, p[:n]...)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				break
			}
		}
		if !bytes.HasPrefix(want, got) || whole && len(got) != len(want) {
			t.Errorf("read %q, want %q", got, want)
		}
		for rest := data; len(rest) > 0; {
			k := min(m, len(rest))
			if _, err := c.Write(rest[:k]); err != nil {
				t.Fatal(err)
			}
			rest = rest[k:]
		}
		if wrote := under.wrote.Bytes(); !bytes.HasPrefix(want, wrote) || whole && len(wrote) != len(want) {
			t.Errorf("wrote %q, want %q", wrote, want)
		}
	})
}

// withoutFirstAck is the plain way to say what a filter does. whole is false where data ends inside a
// frame's header, which a filter keeps back.
func withoutFirstAck(data []byte) (want []byte, whole bool) {
	for pos := 0; ; {
		if len(data)-pos < frameHeaderLen {
			return data, pos == len(data)
		}
		f := parseFrame(data[pos:])
		if f.isSettingsAck() {
			return append(bytes.Clone(data[:pos]), data[pos+frameHeaderLen:]...), true
		}
		if pos += frameHeaderLen + f.length; pos >= len(data) {
			return data, true
		}
	}
}

// BenchmarkRead shows what a connection that was handed over costs per read.
func BenchmarkRead(b *testing.B) {
	p := make([]byte, 16)
	for name, c := range map[string]net.Conn{"bare": deaf{}, "handed over": replayed(deaf{}, nil)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.Read(p)
			}
		})
	}
}
