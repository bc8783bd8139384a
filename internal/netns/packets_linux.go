package netns

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// receiveBuffer lets a burst wait for this process to get its turn.
const receiveBuffer = 4 << 20

// openPackets returns a socket for all packets of an interface in a namespace.
func openPackets(space, device string) (packetSocket, error) {
	file, err := inSpace(space, func() (*os.File, error) { return packetFile(device) })
	if err != nil {
		return nil, fmt.Errorf("open interface %s of %s: %w", device, space, err)
	}
	return file, nil
}

// inSpace calls create on a thread that is in the namespace, which a socket stays in that is made there. The thread ends
// with the goroutine, rather than be used for anything else.
func inSpace(space string, create func() (*os.File, error)) (*os.File, error) {
	var file *os.File
	var failure error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		if failure = enter(space); failure == nil {
			file, failure = create()
		}
	}()
	<-done
	return file, failure
}

// enter moves the thread into a namespace.
func enter(space string) error {
	where, err := os.Open("/run/netns/" + space) //nolint:gosec // a lab's, whose name was checked
	if err != nil {
		return err
	}
	defer where.Close()
	return os.NewSyscallError("setns", unix.Setns(int(where.Fd()), unix.CLONE_NEWNET))
}

// packetFile opens the interface. Each packet has a header that says which checksums the kernel has left to the hardware,
// and which segments it has put together, so that it can do so with what is written.
func packetFile(device string) (*os.File, error) {
	card, err := net.InterfaceByName(device)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), device)
	for _, option := range []struct{ level, name, value int }{
		{unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
		{unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
		{unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer},
		{unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, receiveBuffer},
	} {
		if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
			_ = file.Close()
			return nil, os.NewSyscallError("setsockopt", err)
		}
	}
	all := binary.NativeEndian.Uint16([]byte{unix.ETH_P_ALL >> 8, unix.ETH_P_ALL}) // in the order of the network
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: card.Index}); err != nil {
		_ = file.Close()
		return nil, os.NewSyscallError("bind", err)
	}
	return file, nil
}
