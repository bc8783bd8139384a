// Package reload saves a service's file again and again while callers count what fails: each save has to replace every
// instance, and no call may be lost, no process left, and nothing grow. It has nothing but tests.
package reload
