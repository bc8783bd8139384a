// Package hellov1 is the protocol of the service that pandatest is tested with, and that its examples show. It is
// generated and holds no behaviour.
package hellov1
