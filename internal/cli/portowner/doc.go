// Package portowner tells which program of this machine listens on a port, as far as the system and its rights let it know.
// It only reads, and never touches the program.
package portowner
