// Package protoc compares the descriptors that panda compiles with those of the reference compiler, protoc, over
// thousands of .proto files of others and over files of its own for what those lack. Its tests are all there is;
// nothing imports it, and it compiles nothing itself.
package protoc
