package cluster

import (
	"errors"
	"slices"

	"github.com/pandakit/panda/internal/netns"
)

// check refuses what only hosts of their own have, and unknown nodes.
func (c *Cluster) check(act string, nodes ...string) error {
	if c.cfg.Lab == nil {
		return &RefusedError{act + ": the nodes share this machine's loopback interface, which has no links to change"}
	}
	for _, name := range nodes {
		if _, err := c.Node(name); err != nil {
			return err
		}
	}
	return nil
}

// Partition cuts the given nodes off from all others; among each other they stay connected. It takes a Lab, and holds until
// Heal. What was cut before stays cut. A failure changes nothing.
func (c *Cluster) Partition(nodes ...string) error {
	if err := c.check("partition", nodes...); err != nil {
		return err
	}
	c.acting.Lock()
	defer c.acting.Unlock()
	before, err := c.cfg.Lab.Cuts()
	if err != nil {
		return err
	}
	for _, inside := range nodes {
		for _, outside := range c.Nodes() {
			if slices.Contains(nodes, outside) {
				continue
			}
			if err := c.cfg.Lab.Cut(inside, outside); err != nil {
				return errors.Join(err, c.cutOnly(before))
			}
		}
	}
	for _, node := range nodes {
		c.tell(node, "cut off")
	}
	return nil
}

// cutOnly has nothing cut but the pairs.
func (c *Cluster) cutOnly(pairs [][2]string) error {
	err := c.cfg.Lab.Heal()
	for _, p := range pairs {
		err = errors.Join(err, c.cfg.Lab.Cut(p[0], p[1]))
	}
	return err
}

// Heal makes all links good: it undoes Partition and Slow. It takes a Lab.
func (c *Cluster) Heal() error {
	if err := c.check("heal"); err != nil {
		return err
	}
	c.acting.Lock()
	defer c.acting.Unlock()
	err := c.cfg.Lab.Heal()
	for host := range c.cfg.Lab.Links() {
		err = errors.Join(err, c.cfg.Lab.Repair(host))
	}
	if err == nil {
		c.tell("all nodes", "healed")
	}
	return err
}

// Slow makes a node's link bad, until another call or Heal; a link without delay and loss is a good one. It takes a Lab.
func (c *Cluster) Slow(node string, link netns.Link) error {
	if err := c.check("slow", node); err != nil {
		return err
	}
	c.acting.Lock()
	defer c.acting.Unlock()
	if link == (netns.Link{}) {
		return c.cfg.Lab.Repair(node)
	}
	if err := c.cfg.Lab.Impair(node, link); err != nil {
		return err
	}
	c.tell(node, "slowed down")
	return nil
}
