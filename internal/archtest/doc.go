// Package archtest holds the rules of the repository as tests: who may import whom and why, what a
// user's service may link, and the habits that no linter knows. It has no code but tests and is never
// imported. A package that no rule has heard of fails the test, so that each new one is placed first.
package archtest
