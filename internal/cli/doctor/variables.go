package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/cli/consulcmd"
	"github.com/pandakit/panda/internal/nearname"
)

// known are the variables that panda and its services read, each with what its value must be.
func known() map[string]func(value string) error {
	return map[string]func(string) error{
		"PANDA_ADDR":      hostPort,
		"PANDA_ADVERTISE": hostMaybePort,
		"PANDA_INSTANCE":  anything,
		"PANDA_WEIGHT":    weight,
		"PANDA_REGISTER":  boolean,
		"PANDA_HISTORY":   anything,
		consulcmd.Mark:    anything,
	}
}

func variables(_ context.Context, p *patient) []finding {
	var all []finding
	valid := 0
	var consuls []string // Consul's own, which panda reads too; the registry's entry shows what they lead to
	names := make([]string, 0, len(known()))
	for name := range known() {
		names = append(names, name)
	}
	for _, variable := range p.env.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "CONSUL_") && value != "" {
			consuls = append(consuls, name)
		}
		if !strings.HasPrefix(name, "PANDA_") || strings.HasPrefix(name, "PANDA_TEST_") || value == "" {
			continue
		}
		check, ok := known()[name]
		if !ok {
			all = append(all, unknown(name, names))
			continue
		}
		if err := check(value); err != nil {
			all = append(all, finding{Check: "variable", Level: problem, Text: fmt.Sprintf("%s=%q: %v", name, value, err), Do: "mend it, or unset it"})
			continue
		}
		valid++
	}
	slices.SortFunc(all, func(a, b finding) int { return strings.Compare(a.Text, b.Text) })
	if len(all) == 0 {
		text := fmt.Sprintf("%d of panda's are set, and make sense", valid)
		if valid == 0 {
			text = "none of panda's is set"
		}
		if len(consuls) > 0 {
			slices.Sort(consuls)
			text += "; of Consul's: " + strings.Join(consuls, ", ")
		}
		all = append(all, finding{Check: "variables", Level: fine, Text: text})
	}
	return all
}

func unknown(name string, names []string) finding {
	f := finding{Check: "variable", Level: warning, Text: name + " is none that panda reads", Do: "unset it"}
	if near := nearname.Of(name, names); len(near) > 0 {
		f.Do = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return f
}

func anything(string) error { return nil }

// maxWeight is the largest weight that Consul takes.
const maxWeight = 65535

func weight(value string) error {
	if n, err := strconv.Atoi(value); err != nil || n < 1 || n > maxWeight {
		return fmt.Errorf("not a whole number from 1 to %d", maxWeight)
	}
	return nil
}

func boolean(value string) error {
	if _, err := strconv.ParseBool(value); err != nil {
		return errors.New("neither true nor false")
	}
	return nil
}

func hostPort(value string) error {
	_, port, err := net.SplitHostPort(value)
	if err != nil {
		return errors.New("not host:port")
	}
	return portNumber(port)
}

func hostMaybePort(value string) error {
	if _, port, err := net.SplitHostPort(value); err == nil {
		return portNumber(port)
	}
	if strings.ContainsAny(value, "/ ") || strings.Contains(value, ":") && net.ParseIP(strings.Trim(value, "[]")) == nil {
		return errors.New("neither a host nor host:port")
	}
	return nil
}

func portNumber(port string) error {
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q is not a port from 0 to 65535", port)
	}
	return nil
}
