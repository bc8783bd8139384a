// Package config reads what an agent is told by files: its own settings, and the services and checks to register, in
// JSON or HCL, with Consul's keys and Consul's way to merge several files.
//
// Every key of Consul 1.12 is in one of its tables, which says what becomes of it: it is taken, ignored because nothing
// here depends on it, warned of, or refused. A key that is in none is an error. The package only reads: it starts
// nothing, registers nothing and reads no environment.
package config
