//go:build linux

// Command health asks the service that listens on PANDA_ADDR in the same container whether it serves, by gRPC's health
// protocol, and exits with 0 when it does. Images carry it, because they have no shell to ask with.
//
// It is one gRPC call written by hand on bare sockets: with net or grpc it would be larger than many a service. It takes
// no arguments and reads nothing but PANDA_ADDR.
package main

import "syscall"

// Timeouts, together below that of the container's health check.
const (
	timeoutSeconds = 2
	defaultPort    = 8080
)

func main() {
	port, host := defaultPort, [4]byte{127, 0, 0, 1}
	if text, set := syscall.Getenv("PANDA_ADDR"); set {
		var ok bool
		if host, port, ok = parse(text); !ok {
			fail("PANDA_ADDR is \"" + text + "\", want :port or an IPv4 address and port")
		}
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		fail("socket: " + err.Error())
	}
	limit := syscall.Timeval{Sec: timeoutSeconds}
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit) // without it the container's own timeout ends this
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &limit)
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: host}); err != nil {
		fail("connect: " + err.Error())
	}
	if problem := ask(socket(fd)); problem != "" {
		fail(problem)
	}
}

func fail(text string) {
	_, _ = syscall.Write(2, []byte("health: "+text+"\n"))
	syscall.Exit(1)
}

// socket reads and writes whole pieces.
type socket int

func (s socket) write(piece []byte) string {
	for len(piece) > 0 {
		n, err := syscall.Write(int(s), piece)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return "write: " + err.Error()
		}
		piece = piece[n:]
	}
	return ""
}

func (s socket) read(piece []byte) string {
	for len(piece) > 0 {
		n, err := syscall.Read(int(s), piece)
		if err == syscall.EINTR {
			continue
		}
		if err == syscall.EAGAIN {
			return "no answer in time"
		}
		if err != nil {
			return "read: " + err.Error()
		}
		if n == 0 {
			return "the connection was closed without an answer"
		}
		piece = piece[n:]
	}
	return ""
}
