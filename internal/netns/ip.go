package netns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"
)

// ipTimeout bounds one command.
const ipTimeout = 10 * time.Second

// ipPath returns where the command ip is; root's folders need not be on the PATH of who became root.
func ipPath() (string, error) {
	if path, err := exec.LookPath("ip"); err == nil {
		return path, nil
	}
	for _, path := range []string{"/usr/sbin/ip", "/sbin/ip"} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", errors.New("network namespaces are made by the command ip, which is not on PATH: install iproute2")
}

// ip runs iproute2's command and returns what it printed.
func ip(ctx context.Context, args ...string) ([]byte, error) {
	path, err := ipPath()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, ipTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).Output() //nolint:gosec // arguments are checked names and numbers
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		text, _, _ := strings.Cut(strings.TrimSpace(string(failed.Stderr)), "\n")
		return nil, fmt.Errorf("ip %s: %s", strings.Join(args, " "), text)
	}
	if err != nil {
		return nil, fmt.Errorf("ip %s: %w", strings.Join(args, " "), errors.Join(ctx.Err(), err))
	}
	return out, nil
}

// spaces returns the namespaces of a lab: the switch's and the hosts'.
func spaces(ctx context.Context, lab string) ([]string, error) {
	out, err := ip(ctx, "netns", "list")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ") // what follows is a number
		if name == lab || strings.HasPrefix(name, lab+"-") {
			found = append(found, name)
		}
	}
	return found, nil
}

// addressOf returns the IPv4 address of an interface in a namespace, "" being the machine's.
func addressOf(ctx context.Context, space, device string) (netip.Addr, error) {
	args := []string{"-json", "-4", "addr", "show", "dev", device}
	if space != "" {
		args = append([]string{"-n", space}, args...)
	}
	var links []struct {
		Addresses []struct{ Local netip.Addr } `json:"addr_info"`
	}
	if err := ipJSON(ctx, &links, args...); err != nil {
		return netip.Addr{}, err
	}
	for _, l := range links {
		for _, a := range l.Addresses {
			return a.Local, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("interface %s of %q has no address", device, space)
}

func ipJSON(ctx context.Context, into any, args ...string) error {
	out, err := ip(ctx, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("ip %s: read its answer: %w", strings.Join(args, " "), err)
	}
	return nil
}
