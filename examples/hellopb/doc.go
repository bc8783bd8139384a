// Package hellopb is the code generated from proto/myproto/hello.proto: the messages of HelloService,
// its client stub and its server interface. `make generate` writes it; this comment alone is written by
// hand, and there is never any behaviour here.
package hellopb
