package panda

import (
	"net"
	"testing"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/inmemory"
)

// What the registry says anew of an instance does not make it answer.
func TestSilenceOutlivesUpdates(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes connections, and nobody else does
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	client := DialRPC("test", WithRegistry(inmemory.New()))
	defer client.Close()
	g, at := client.group, mute.Addr().(*net.TCPAddr)
	i := discovery.Instance{ID: "mute", Address: at.IP.String(), Port: at.Port, Weight: 1}
	g.replace([]discovery.Instance{i})
	waits, _, changed, err := g.pick()
	if waits == nil || err != nil {
		t.Fatalf("picked %v, %v", waits, err)
	}
	<-changed
	i.Weight = 2
	for range 2 {
		if a, _, _, err := g.pick(); a != nil || err != nil || g.Ready() || g.Refusal(i) != "it answers nothing" {
			t.Errorf("picked %v, %v; ready %t, refused because %q", a, err, g.Ready(), g.Refusal(i))
		}
		g.replace([]discovery.Instance{i})
	}
	waits.abandoned()
}
