package main

import (
	"fmt"
	"math"
	"net/http"
)

// Panda is the receiver whose methods callers name as "Panda.GetInfo". The rules are net/rpc's: the method is exported,
// has two arguments, the second a pointer, and returns an error. Many calls may be under way at once.
type Panda struct{}

// GetInfo adds 100 to its argument. The text of an error reaches the caller.
func (*Panda) GetInfo(argument int, reply *int) error {
	if argument > math.MaxInt-100 {
		return fmt.Errorf("argument %d is too large to add 100", argument)
	}
	*reply = argument + 100
	return nil
}

func index(w http.ResponseWriter, _ *http.Request) {
	_, _ = fmt.Fprint(w, "hello world!") // a visitor who has gone misses nothing
}
