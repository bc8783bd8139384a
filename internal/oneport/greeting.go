package oneport

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// preface is what every HTTP/2 client sends first.
var preface = []byte(http2.ClientPreface)

const (
	frameHeaderLen = 9
	maxFrameLen    = 16384 // of what a client may send before it has seen other settings
	tlsHandshake   = 0x16  // the first byte of a TLS client

	headerTableSize = 4096 // of HPACK, before any settings
)

// isPreface reports whether b, in as far as it is there, is the beginning of HTTP/2.
func isPreface(b []byte) bool {
	n := min(len(b), len(preface))
	return bytes.Equal(b[:n], preface[:n])
}

// greeting is how far an HTTP/2 client has come before its first request.
//
// Some clients send their first request at once; others, grpc-go's among them, wait for the server's
// settings. Those are given settings by the port itself, and so get two SETTINGS frames in all: this
// one, and the one of the server that the connection goes to. HTTP/2 allows that at any time. Their two
// acknowledgements are one more than the server has asked for, so the first never reaches it.
type greeting struct {
	pos      int // in buf, where the next frame begins; 0 before the preface is complete
	settings int // SETTINGS frames of the client

	sent     bool // the port's SETTINGS frame was sent
	acked    bool // ... and the client has acknowledged it
	answered bool // the port has acknowledged the client's settings

	silent bool // the time limit, if any, is that of a silent client

	stream  uint32 // of the header block that has begun, or 0
	decoder *hpack.Decoder
	found   verdict // what the block's content type says
}

// frame is a frame's header.
type frame struct {
	length int
	kind   http2.FrameType
	flags  http2.Flags
	stream uint32
}

func parseFrame(b []byte) frame {
	return frame{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		kind:   http2.FrameType(b[3]),
		flags:  http2.Flags(b[4]),
		stream: binary.BigEndian.Uint32(b[5:]) &^ (1 << 31),
	}
}

func appendFrame(b []byte, f frame, payload ...byte) []byte {
	n := len(payload)
	b = append(b, byte(n>>16), byte(n>>8), byte(n), byte(f.kind), byte(f.flags)) //nolint:gosec // three bytes of a length that fits them
	b = binary.BigEndian.AppendUint32(b, f.stream)
	return append(b, payload...)
}

func (f frame) isSettingsAck() bool {
	return f.kind == http2.FrameSettings && f.flags.Has(http2.FlagSettingsAck)
}

// frames goes through the frames that are complete. What a server would not expect here goes to
// net/http, which knows how to complain.
func (l *look) frames() verdict {
	h := &l.h2
	if h.pos == 0 {
		h.pos = len(preface)
	}
	for len(l.buf)-h.pos >= frameHeaderLen {
		f := parseFrame(l.buf[h.pos:])
		if f.length > maxFrameLen {
			return toHTTP
		}
		end := h.pos + frameHeaderLen + f.length
		if len(l.buf) < end {
			return undecided
		}
		v, keep := l.frame(f, l.buf[h.pos+frameHeaderLen:end])
		if v != undecided {
			return v
		}
		if keep {
			h.pos = end
		} else {
			l.buf = slices.Delete(l.buf, h.pos, end)
		}
	}
	return undecided
}

// frame takes one frame in. keep is false for a frame that no server must see again.
func (l *look) frame(f frame, payload []byte) (v verdict, keep bool) {
	h := &l.h2
	switch {
	case h.stream != 0:
		return h.continuation(f, payload), true
	case h.settings == 0 && (f.kind != http2.FrameSettings || f.isSettingsAck()):
		return toHTTP, true
	}
	switch f.kind {
	case http2.FrameHeaders:
		return h.headers(f, payload), true
	case http2.FrameSettings:
		return l.settings(f)
	case http2.FramePing:
		return l.ping(f, payload)
	case http2.FrameWindowUpdate, http2.FramePriority, http2.FrameGoAway, http2.FramePriorityUpdate:
		return undecided, true
	case http2.FrameData, http2.FrameRSTStream, http2.FramePushPromise, http2.FrameContinuation:
		return toHTTP, true
	default:
		return undecided, true // an extension: ignored by whoever does not know it
	}
}

func (l *look) settings(f frame) (v verdict, keep bool) {
	switch h := &l.h2; {
	case !f.isSettingsAck():
		h.settings++
		return undecided, true
	case !h.sent || h.acked || f.length != 0:
		return toHTTP, true // it acknowledges what was never sent
	default:
		h.acked = true
		return undecided, false
	}
}

// ping answers a client that keeps an idle connection alive.
func (l *look) ping(f frame, payload []byte) (v verdict, keep bool) {
	if f.flags.Has(http2.FlagPingAck) {
		return undecided, true
	}
	if len(payload) != 8 || f.stream != 0 {
		return toHTTP, true
	}
	if err := l.write(appendFrame(l.firstSettings(), frame{kind: http2.FramePing, flags: http2.FlagPingAck}, payload...)); err != nil {
		l.why = "answer a ping: " + err.Error()
		return drop, true
	}
	return undecided, false
}

// headers begins the first header block.
func (h *greeting) headers(f frame, payload []byte) verdict {
	if f.stream == 0 {
		return toHTTP
	}
	padding := 0
	if f.flags.Has(http2.FlagHeadersPadded) {
		if len(payload) == 0 {
			return toHTTP
		}
		padding, payload = int(payload[0]), payload[1:]
	}
	if f.flags.Has(http2.FlagHeadersPriority) {
		if len(payload) < 5 {
			return toHTTP
		}
		payload = payload[5:]
	}
	if padding > len(payload) {
		return toHTTP
	}
	h.stream = f.stream
	h.decoder = hpack.NewDecoder(headerTableSize, h.field)
	return h.fragment(payload[:len(payload)-padding], f.flags.Has(http2.FlagHeadersEndHeaders))
}

func (h *greeting) continuation(f frame, payload []byte) verdict {
	if f.kind != http2.FrameContinuation || f.stream != h.stream {
		return toHTTP
	}
	return h.fragment(payload, f.flags.Has(http2.FlagContinuationEndHeaders))
}

// fragment decodes a piece of the header block, and decides as soon as the content type is there.
func (h *greeting) fragment(b []byte, last bool) verdict {
	_, err := h.decoder.Write(b)
	if h.found == undecided && (err != nil || last) {
		return toHTTP
	}
	return h.found
}

// field is told each header of the block.
func (h *greeting) field(f hpack.HeaderField) {
	if h.found != undecided || f.Name != "content-type" {
		return
	}
	h.found = toHTTP
	if isGRPC(f.Value) {
		h.found = toGRPC
	}
}

// isGRPC reports whether a content type is native gRPC's, whatever the message encoding. gRPC-Web's is
// not: that is HTTP to a server.
func isGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(contentType), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// headersBegun reports whether the client is already sending its first request.
func (l *look) headersBegun() bool {
	rest := l.buf[l.h2.pos:]
	return l.h2.stream != 0 || len(rest) > 3 && http2.FrameType(rest[3]) == http2.FrameHeaders
}

// quiet reports whether the client has said all that it must before a request, and nothing since.
func (l *look) quiet() bool {
	h := &l.h2
	return h.sent && h.acked && h.settings > 0 && h.stream == 0 && h.pos == len(l.buf)
}

// answer sends the port's settings once, to a client that seems to wait for them.
func (l *look) answer() error {
	if l.h2.pos == 0 || l.h2.sent || l.headersBegun() {
		return nil
	}
	return l.write(l.firstSettings())
}

// firstSettings returns the port's SETTINGS frame if it was not sent yet: it must come before any other.
// It says as little as it can: what it leaves out keeps the protocol's default, which every server
// accepts until its own settings are acknowledged.
func (l *look) firstSettings() []byte {
	if l.h2.sent {
		return nil
	}
	l.h2.sent = true
	limit := l.port.opts.MaxConcurrentStreams
	if limit == 0 {
		return appendFrame(nil, frame{kind: http2.FrameSettings})
	}
	setting := binary.BigEndian.AppendUint16(nil, uint16(http2.SettingMaxConcurrentStreams))
	return appendFrame(nil, frame{kind: http2.FrameSettings}, binary.BigEndian.AppendUint32(setting, limit)...)
}

// acknowledge acknowledges the client's settings ahead of the server, whose own acknowledgement is then
// held back. A server may acknowledge several frames with one, so it is done only where there is one.
func (l *look) acknowledge() error {
	if l.h2.settings != 1 || l.h2.answered {
		return nil
	}
	l.h2.answered = true
	return l.write(appendFrame(nil, frame{kind: http2.FrameSettings, flags: http2.FlagSettingsAck}))
}

// goAway tells the client that no request of it was or will be looked at.
func (l *look) goAway() error {
	return l.write(appendFrame(l.firstSettings(), frame{kind: http2.FrameGoAway}, make([]byte, 8)...))
}

// write sends frames to the client, which has writeTime to take them.
func (l *look) write(b []byte) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	if _, err := l.conn.Write(b); err != nil {
		return err
	}
	return l.conn.SetWriteDeadline(time.Time{})
}
