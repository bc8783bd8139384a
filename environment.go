package panda

import (
	"cmp"
	"os"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

// This file is the one place where the library reads the environment; doc.go documents the variables.

// hermetic reports whether the registry is one that a test has made for itself. The process is then the test's and not the
// operator's: the shell that the test was started from has no say in the service, and signals are for the test.
func (c *common) hermetic() bool {
	_, ok := c.registry.(interface{ Hermetic() })
	return ok
}

// readEnvironment lets the operator's variables win over options.
func (c *serviceConfig) readEnvironment() {
	if c.hermetic() {
		return
	}
	c.address = cmp.Or(os.Getenv("PANDA_ADDR"), c.address)
	c.advertise = cmp.Or(os.Getenv("PANDA_ADVERTISE"), c.advertise)
	c.instanceID = cmp.Or(os.Getenv("PANDA_INSTANCE"), c.instanceID)
}

// openRegistry returns the registry that was given, else the one that the environment names.
func (c *common) openRegistry() (discovery.Registry, error) {
	if c.registry != nil {
		return c.registry, nil
	}
	config := consul.ConfigFromEnv(os.Getenv)
	config.Logger = c.logger
	return consul.New(config)
}
