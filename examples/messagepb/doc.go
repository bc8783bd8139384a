// Package messagepb is the code generated from proto/message/panda.proto: one message, whose test shows
// how protobuf encodes and decodes. `make generate` writes it; this comment and the test alone are
// written by hand, and there is never any behaviour here.
package messagepb
