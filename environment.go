package panda

import (
	"cmp"
	"fmt"
	"os"
	"strconv"

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

// maxWeight is the largest weight that Consul takes.
const maxWeight = 65535

// readEnvironment lets the operator's variables win over options. Its errors name the variable and its value.
func (c *serviceConfig) readEnvironment() error {
	if c.hermetic() {
		return nil
	}
	c.address = cmp.Or(os.Getenv("PANDA_ADDR"), c.address)
	c.advertise = cmp.Or(os.Getenv("PANDA_ADVERTISE"), c.advertise)
	c.instanceID = cmp.Or(os.Getenv("PANDA_INSTANCE"), c.instanceID)
	c.containerName = containerName(os.Getenv)
	if text := os.Getenv("PANDA_WEIGHT"); text != "" {
		weight, err := strconv.Atoi(text)
		if err != nil || weight < 1 || weight > maxWeight {
			return fmt.Errorf("PANDA_WEIGHT is %q: want a whole number, 1 to %d", text, maxWeight)
		}
		c.weight = weight
	}
	if text := os.Getenv("PANDA_REGISTER"); text != "" {
		register, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("PANDA_REGISTER is %q: want true or false", text)
		}
		c.unregistered = !register
	}
	return nil
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
