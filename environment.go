package panda

import (
	"cmp"
	"os"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

// This file is the one place where the library reads the environment; doc.go documents the variables.

// readEnvironment lets the operator's variables win over options. A registry that a test has made for itself is not
// the operator's: there the shell that the test was started from has no say.
func (c *serviceConfig) readEnvironment() {
	if _, hermetic := c.registry.(interface{ Hermetic() }); hermetic {
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
