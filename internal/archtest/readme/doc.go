// Package readme runs the commands that README.md shows, as a reader would type them, and compares what
// they print with what it shows. It has no code but tests and is never imported.
package readme
