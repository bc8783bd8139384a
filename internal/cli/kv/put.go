package kv

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/agentapi"
	"github.com/pandakit/panda/internal/cli/command"
)

// putOptions are the flags of put.
type putOptions struct {
	cas, base64, acquire, release bool
	flags, modifyIndex            uint64
	session                       string
}

func putCommand(env *command.Env) *cobra.Command {
	o := new(putOptions)
	cmd := &cobra.Command{
		Use:   "put KEY [DATA]",
		Short: "Write the value of a key",
		Long: `Write the value of a key: DATA is the value itself, @FILE, or - for standard input. Without DATA the value is
empty. Flags come before the key; what follows it is never taken for a flag.`,
		Example: `  panda kv put config/greeting hello
  panda kv put config/license @license.txt
  panda kv put -cas -modify-index=844 config/greeting hi`,
		Annotations: command.LeadingConsulFlags(),
		Args:        cobra.ArbitraryArgs,
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // so that a value may begin with a dash
	f.BoolVar(&o.cas, "cas", false, "write only when the key's index is still that of -modify-index")
	f.Uint64Var(&o.modifyIndex, "modify-index", 0, "`index` for -cas; 0 writes only a key that does not exist")
	f.Uint64Var(&o.flags, "flags", 0, "`number` to keep beside the value")
	f.BoolVar(&o.base64, "base64", false, "DATA is in base 64")
	f.BoolVar(&o.acquire, "acquire", false, "lock the key for -session")
	f.BoolVar(&o.release, "release", false, "give the lock of -session up")
	f.StringVar(&o.session, "session", "", "`ID` of the session for -acquire and -release")
	flags := agentapi.AddFlags(f)
	flags.AddServerFlags(f)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		key, value, err := o.read(env, args)
		if err != nil {
			return err
		}
		s, err := connect(env, flags)
		if err != nil {
			return err
		}
		done, err := o.write(cmd.Context(), s, key, value)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(env.Stdout, "Success! %s: %s\n", done, key)
		return err
	}
	return cmd
}

func (o *putOptions) read(env *command.Env, args []string) (key string, value []byte, err error) {
	switch len(args) {
	case 0:
		return "", nil, misused("Error! Missing KEY argument")
	case 1:
	case 2: //nolint:mnd // a key and its value
		if value, err = data(env, args[1]); err != nil {
			return "", nil, err
		}
	default:
		return "", nil, misused("Error! Too many arguments (expected 1 or 2, got %d)", len(args))
	}
	if strings.HasPrefix(args[0], "/") {
		return "", nil, said("Error! Failed writing data: Invalid key. Key must not begin with a '/': %s", args[0])
	}
	if o.base64 {
		if value, err = base64.StdEncoding.DecodeString(string(value)); err != nil {
			return "", nil, said("Error! Cannot base 64 decode data: %w", err)
		}
	}
	if (o.release || o.acquire) && o.session == "" {
		return "", nil, misused("Error! Missing -session (required with -acquire and -release)")
	}
	return args[0], value, nil
}

// write returns what was done, in Consul's words.
func (o *putOptions) write(ctx context.Context, s store, key string, value []byte) (string, error) {
	query := url.Values{}
	if o.flags != 0 {
		query.Set("flags", strconv.FormatUint(o.flags, 10))
	}
	switch {
	case o.cas:
		query.Set("cas", strconv.FormatUint(o.modifyIndex, 10))
	case o.acquire:
		query.Set("acquire", o.session)
	case o.release:
		query.Set("release", o.session)
	}
	taken, err := s.change(ctx, http.MethodPut, key, query, value)
	switch {
	case err != nil && o.cas:
		return "", said("Error! Did not write to %s: %w", key, err)
	case err != nil:
		return "", said("Error! Failed writing data: %w", err)
	case !taken && !o.cas && !o.acquire && !o.release:
		return "", said("Error! Failed writing data: the agent did not take it")
	case !taken:
		return "", o.refused(key)
	case o.acquire && !o.cas:
		return "Lock acquired on", nil
	case o.release && !o.cas:
		return "Lock released on", nil
	}
	return "Data written to", nil
}

func (o *putOptions) refused(key string) error {
	switch {
	case o.cas && o.modifyIndex == 0:
		return said("Error! Did not write to %s: CAS performed with index=0 and key already exists.", key)
	case o.cas:
		return said("Error! Did not write to %s: CAS failed", key)
	case o.acquire:
		return said("Error! Did not acquire lock")
	}
	return said("Error! Did not release lock")
}

// deleteOptions are the flags of delete.
type deleteOptions struct {
	cas, recurse bool
	modifyIndex  uint64
}

func deleteCommand(env *command.Env) *cobra.Command {
	o := new(deleteOptions)
	cmd := &cobra.Command{
		Use:   "delete KEY or PREFIX",
		Short: "Delete a key, or all below a prefix",
		Long: `Delete a key, or with -recurse every key that begins with a prefix: "-recurse foo" deletes "food", too.
A key that does not exist is no error.`,
		Example:     "  panda kv delete config/greeting\n  panda kv delete -recurse config/",
		Annotations: command.ConsulFlags(),
		Args:        cobra.ArbitraryArgs,
	}
	f := cmd.Flags()
	f.BoolVar(&o.cas, "cas", false, "delete only when the key's index is still that of -modify-index")
	f.Uint64Var(&o.modifyIndex, "modify-index", 0, "`index` for -cas")
	f.BoolVar(&o.recurse, "recurse", false, "delete every key that begins with the prefix")
	flags := agentapi.AddFlags(f)
	flags.AddServerFlags(f)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		key, err := keyOf(args)
		if err != nil {
			return err
		}
		if err := o.check(key); err != nil {
			return err
		}
		s, err := connect(env, flags)
		if err != nil {
			return err
		}
		done, err := o.delete(cmd.Context(), s, key)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(env.Stdout, "Success! %s: %s\n", done, key)
		return err
	}
	return cmd
}

func (o *deleteOptions) check(key string) error {
	switch {
	case key == "" && !o.recurse:
		return misused("Error! Missing KEY argument")
	case o.cas && o.modifyIndex == 0:
		return misused("Cannot delete a key that does not exist. Provide a -modify-index greater than than 0.") //nolint:dupword // Consul's text
	case !o.cas && o.modifyIndex != 0:
		return misused("Cannot specify -modify-index without -cas!")
	case o.cas && o.recurse:
		return misused("Cannot specify both -cas and -recurse!")
	}
	return nil
}

// delete returns what was done, in Consul's words.
func (o *deleteOptions) delete(ctx context.Context, s store, key string) (string, error) {
	query := url.Values{}
	if o.recurse {
		query.Set("recurse", "")
	}
	if o.cas {
		query.Set("cas", strconv.FormatUint(o.modifyIndex, 10))
	}
	taken, err := s.change(ctx, http.MethodDelete, key, query, nil)
	switch {
	case err != nil && o.recurse:
		return "", said("Error! Did not delete prefix %s: %w", key, err)
	case err != nil && o.cas:
		return "", said("Error! Did not delete key %s: %w", key, err)
	case err != nil:
		return "", said("Error deleting key %s: %w", key, err)
	case !taken && o.cas:
		return "", said("Error! Did not delete key %s: CAS failed", key)
	case o.recurse:
		return "Deleted keys with prefix", nil
	}
	return "Deleted key", nil
}
