module github.com/pandakit/panda/examples

go 1.26.7

require github.com/pandakit/panda v0.0.0

replace github.com/pandakit/panda => ..
