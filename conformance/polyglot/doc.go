// Package polyglot lets clients in other languages, their code made by `panda gen`, find a Go service through the
// agent's HTTP API and call it. Its tests are all there is; nothing imports it, and it makes no client itself.
package polyglot
