// Package upgrade holds three promises under load: a service grows, an instance is taken out, and a version is replaced by
// another, each by one command and without a failed call; and a version that fails is taken back. It has nothing but tests.
package upgrade
