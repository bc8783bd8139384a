package panda

import (
	"net"
	"net/http"
	"net/rpc"
	"testing"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/inmemory"
)

type adder struct{}

// Add adds one.
func (adder) Add(in int, out *int) error {
	*out = in + 1
	return nil
}

// TestRPCClientKeepsNoConnectionToWhatHasLeft picks an instance and lets it leave the set before the attempt has its
// connection.
func TestRPCClientKeepsNoConnectionToWhatHasLeft(t *testing.T) {
	server := rpc.NewServer()
	if err := server.RegisterName("Adder", adder{}); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(rpc.DefaultRPCPath, server)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: connectTimeout}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	t.Cleanup(func() { _ = web.Close(); <-served })
	client := DialRPC("adder", WithRegistry(inmemory.New()))
	t.Cleanup(func() { _ = client.Close() })

	address := listener.Addr().(*net.TCPAddr)
	client.group.replace([]discovery.Instance{{ID: "a", Address: address.IP.String(), Port: address.Port, Weight: 1}})
	picked, _, _, err := client.group.pick()
	if err != nil || picked == nil {
		t.Fatal("nothing was picked", err)
	}
	client.group.replace(nil)
	connection, err := client.connection(picked.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	connected, err := connection.use(t.Context(), picked.address())
	if err != nil {
		t.Fatal(err)
	}
	var sum int
	if err := connected.Call("Adder.Add", 1, &sum); err != nil || sum != 2 {
		t.Errorf("the call under way got %d, %v", sum, err)
	}
	client.unuse(connection)
	if len(client.connections)+len(client.aside) != 0 || connection.client != nil {
		t.Errorf("%d connections are kept, the attempt's is open: %v", len(client.connections), connection.client != nil)
	}
}
