package messagepb_test

import (
	"fmt"
	"log"

	"google.golang.org/protobuf/proto"

	"github.com/pandakit/panda/examples/messagepb"
)

// A message becomes bytes, and the bytes a message again.
func Example() {
	sent := &messagepb.PandaRequest{Name: "熊猫", Height: 120, Weight: []int32{100, 105}}
	data, err := proto.Marshal(sent)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d bytes: % x\n", len(data), data)

	received := new(messagepb.PandaRequest)
	if err := proto.Unmarshal(data, received); err != nil {
		log.Fatal(err)
	}
	fmt.Println(received.GetName(), received.GetHeight(), received.GetWeight(), proto.Equal(sent, received))
	// Output:
	// 14 bytes: 0a 06 e7 86 8a e7 8c ab 10 78 1a 02 64 69
	// 熊猫 120 [100 105] true
}
