// Package readme runs the commands that README.md and some chapters of the guide show, as a reader would type them, and
// compares what they print with what is shown. It has no code but tests and is never imported.
package readme
