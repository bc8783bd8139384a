//go:build linux

package main

// stream is what a call is sent over, whole pieces at a time; the text says what went wrong.
type stream interface {
	write(piece []byte) string
	read(piece []byte) string
}

// Types, flags and sizes of HTTP/2's frames (RFC 9113), as far as one call meets them.
const (
	frameData      = 0
	frameHeaders   = 1
	frameReset     = 3
	frameSettings  = 4
	frameGoAway    = 7
	flagAck        = 1
	flagEndStream  = 1
	flagEndHeaders = 4
	frameHeader    = 9
	maxFrame       = 16384
	maxFrames      = 32 // in an answer; it has four or five
)

// serving is grpc.health.v1.HealthCheckResponse with the status SERVING, and gRPC's five bytes before it.
const serving = "\x00\x00\x00\x00\x02\x08\x01"

// ask makes the call grpc.health.v1.Health/Check and returns what is wrong, or "" when the service serves.
func ask(s stream) string {
	request := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	request = frame(request, frameSettings, 0, 0, "")
	request = frame(request, frameHeaders, flagEndHeaders, 1, headers())
	request = frame(request, frameData, flagEndStream, 1, "\x00\x00\x00\x00\x00") // an empty message: the server as a whole
	if problem := s.write(request); problem != "" {
		return problem
	}
	var message []byte
	for range maxFrames {
		kind, flags, payload, problem := next(s)
		if problem != "" {
			return problem
		}
		switch kind {
		case frameSettings:
			if flags&flagAck == 0 {
				if problem := s.write(frame(nil, frameSettings, flagAck, 0, "")); problem != "" {
					return problem
				}
			}
		case frameData:
			if message = append(message, payload...); len(message) >= len(serving) {
				return judge(string(message))
			}
		case frameHeaders:
			if flags&flagEndStream != 0 {
				return "the health check was answered with an error"
			}
		case frameReset, frameGoAway:
			return "the health check was refused"
		}
	}
	return "the answer is no health check's"
}

func judge(message string) string {
	if message == serving {
		return ""
	}
	return "it does not serve"
}

// headers are those of the call in HPACK's form (RFC 7541), none of them compressed: names by their number in the static
// table where they have one.
func headers() string {
	const (
		post, http = "\x83", "\x86"
		path       = "\x04"
		authority  = "\x01"
		content    = "\x0f\x10"
		other      = "\x00"
	)
	return post + http + path + text("/grpc.health.v1.Health/Check") + authority + text("localhost") +
		content + text("application/grpc") + other + text("te") + text("trailers")
}

// text is a string of less than 127 bytes in HPACK's form.
func text(s string) string { return string([]byte{byte(len(s))}) + s } //nolint:gosec // they are constants

// frame appends a frame to b.
func frame(b []byte, kind, flags, id byte, payload string) []byte {
	b = append(b, 0, 0, byte(len(payload)), kind, flags, 0, 0, 0, id) //nolint:gosec // those that are sent are short
	return append(b, payload...)
}

// next reads a frame.
func next(s stream) (kind, flags byte, payload []byte, problem string) {
	var header [frameHeader]byte
	if problem = s.read(header[:]); problem != "" {
		return 0, 0, nil, problem
	}
	size := int(header[0])<<16 | int(header[1])<<8 | int(header[2])
	if size > maxFrame {
		return 0, 0, nil, "the answer is not HTTP/2"
	}
	payload = make([]byte, size)
	return header[3], header[4], payload, s.read(payload)
}

// parse reads host:port. Without a host, and for one that means every address, it is this container's own.
func parse(address string) (host [4]byte, port int, ok bool) {
	colon := len(address) - 1
	for colon >= 0 && address[colon] != ':' {
		colon--
	}
	if colon < 0 {
		return host, 0, false
	}
	if port, ok = number(address[colon+1:], 65535); !ok || port == 0 {
		return host, 0, false
	}
	loopback := [4]byte{127, 0, 0, 1}
	switch name := address[:colon]; name {
	case "", "0.0.0.0", "[::]", "localhost":
		return loopback, port, true
	default:
		host, ok = parseIPv4(name)
		return host, port, ok
	}
}

func parseIPv4(text string) (host [4]byte, ok bool) {
	for i := range host {
		end := 0
		for end < len(text) && text[end] != '.' {
			end++
		}
		n, ok := number(text[:end], 255)
		if !ok || (end < len(text)) != (i < 3) {
			return host, false
		}
		host[i] = byte(n) //nolint:gosec // it is 255 at most
		text = text[min(end+1, len(text)):]
	}
	return host, true
}

// number reads a decimal number of at most limit.
func number(text string, limit int) (n int, ok bool) {
	for i := range len(text) {
		digit := int(text[i]) - '0'
		if digit < 0 || digit > 9 {
			return 0, false
		}
		if n = n*10 + digit; n > limit {
			return 0, false
		}
	}
	return n, text != ""
}
