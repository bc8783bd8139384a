// Package kv is "panda kv": the agent's key-value store from the command line, with the flags, the output and
// the export format of Consul's own commands. It keeps nothing itself.
package kv

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/agentapi"
	"github.com/pandakit/panda/internal/cli/command"
)

// New returns the command.
func New(env *command.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kv",
		Short: "Read and write the key-value store",
		Long: `Read and write the key-value store of the agent that CONSUL_HTTP_ADDR or -http-addr names.

Flags are Consul's, with one dash or two.`,
		Example: `  panda kv put config/greeting hello
  panda kv get config/greeting
  panda kv ls config/
  panda kv export config/ > backup.json`,
	}
	cmd.AddCommand(getCommand(env), putCommand(env), deleteCommand(env), listCommand(env), exportCommand(env), importCommand(env))
	return cmd
}

// pair is one key as the API tells it.
type pair struct {
	Key         string
	Value       []byte
	Flags       uint64
	CreateIndex uint64
	ModifyIndex uint64
	LockIndex   uint64
	Session     string `json:",omitempty"`
	Namespace   string `json:",omitempty"`
	Partition   string `json:",omitempty"`
}

// store is the key-value store behind an agent.
type store struct{ agent *agentapi.Agent }

func connect(env *command.Env, flags *agentapi.Flags) (store, error) {
	agent, err := flags.Connect(env)
	return store{agent}, err
}

// pathOf is the path of a key's requests. A key may hold any character; what means something in a URL is
// escaped, and the slashes stay.
func pathOf(key string) string { return "/v1/kv/" + key }

// find returns what the store answers for a key or prefix; nothing when there is none.
func (s store) find(ctx context.Context, key string, query url.Values, answer any) (bool, error) {
	err := s.agent.Get(ctx, pathOf(key), query, answer)
	if missing, ok := errors.AsType[*agentapi.StatusError](err); ok && missing.Code == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, said("Error querying Consul agent: %w", err)
	}
	return true, nil
}

func (s store) get(ctx context.Context, key string) (*pair, error) {
	var pairs []pair
	found, err := s.find(ctx, key, nil, &pairs)
	if err != nil || !found || len(pairs) == 0 {
		return nil, err
	}
	return &pairs[0], nil
}

func (s store) list(ctx context.Context, prefix string) ([]pair, error) {
	pairs := []pair{}
	_, err := s.find(ctx, prefix, url.Values{"recurse": {""}}, &pairs)
	return pairs, err
}

func (s store) keys(ctx context.Context, prefix, separator string) ([]string, error) {
	names := []string{}
	query := url.Values{"keys": {""}}
	if separator != "" {
		query.Set("separator", separator)
	}
	_, err := s.find(ctx, prefix, query, &names)
	return names, err
}

// change sends a write and returns whether the store took it.
func (s store) change(ctx context.Context, method, key string, query url.Values, value []byte) (bool, error) {
	answer, err := s.agent.Do(ctx, method, pathOf(key), query, value)
	if err != nil {
		return false, err
	}
	return strings.Contains(string(answer.Body), "true"), nil
}

// said makes an error whose text is Consul's.
func said(format string, args ...any) error { return command.Verbatim(fmt.Errorf(format, args...)) }

// misused makes an error about arguments whose text is Consul's.
func misused(format string, args ...any) error { return command.Usage(said(format, args...)) }

// keyOf returns the key that the arguments name, without the slash that no key begins with.
func keyOf(args []string) (string, error) {
	if len(args) > 1 {
		return "", misused("Too many arguments (expected 1, got %d)", len(args))
	}
	return strings.TrimPrefix(strings.Join(args, ""), "/"), nil
}

// data returns what an argument stands for: itself, the content of the file after @, or standard input for -.
func data(env *command.Env, argument string) ([]byte, error) {
	switch {
	case strings.HasPrefix(argument, "@"):
		name := argument[1:]
		if !filepath.IsAbs(name) {
			name = filepath.Join(env.Dir, name)
		}
		content, err := os.ReadFile(name) //nolint:gosec // the user names the file
		if err != nil {
			return nil, said("Error! Failed to read file: %w", err)
		}
		return content, nil
	case argument == "-":
		content, err := io.ReadAll(env.Stdin)
		if err != nil {
			return nil, said("Error! Failed to read stdin: %w", err)
		}
		return content, nil
	}
	return []byte(argument), nil
}

// entry is a key in the format that Consul exports and imports.
type entry struct {
	Key       string `json:"key"`
	Flags     uint64 `json:"flags"`
	Value     string `json:"value"` // base 64
	Namespace string `json:"namespace,omitempty"`
	Partition string `json:"partition,omitempty"`
}

func exportCommand(env *command.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export [PREFIX]",
		Short: "Write the keys below a prefix as JSON",
		Long: `Write the keys below a prefix with their values and flags as JSON to standard output, in the format that
"consul kv import" and "panda kv import" read.`,
		Example:     "  panda kv export config/ > backup.json",
		Annotations: command.ConsulFlags(),
		Args:        cobra.ArbitraryArgs,
	}
	flags := agentapi.AddFlags(cmd.Flags())
	flags.AddServerFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		prefix, err := keyOf(args)
		if err != nil {
			return err
		}
		s, err := connect(env, flags)
		if err != nil {
			return err
		}
		pairs, err := s.list(cmd.Context(), prefix)
		if err != nil {
			return err
		}
		return export(env.Stdout, pairs)
	}
	return cmd
}

func export(w io.Writer, pairs []pair) error {
	entries := make([]entry, 0, len(pairs))
	for _, p := range pairs {
		entries = append(entries, entry{p.Key, p.Flags, base64.StdEncoding.EncodeToString(p.Value), p.Namespace, p.Partition})
	}
	text, err := json.MarshalIndent(entries, "", "\t")
	if err != nil {
		return said("Error exporting KV data: %w", err)
	}
	_, err = fmt.Fprintln(w, string(text))
	return err
}

func importCommand(env *command.Env) *cobra.Command {
	var prefix string
	cmd := &cobra.Command{
		Use:   "import DATA",
		Short: "Write the keys of an export",
		Long: `Write the keys of an export: DATA is the JSON itself, @FILE, or - for standard input. It stops at the
first key that cannot be written; those before it are written.`,
		Example:     "  panda kv import @backup.json\n  panda kv export | panda kv import -prefix copy/ -",
		Annotations: command.ConsulFlags(),
		Args:        cobra.ArbitraryArgs,
	}
	cmd.Flags().StringVar(&prefix, "prefix", "", "`prefix` that is put before each key")
	flags := agentapi.AddFlags(cmd.Flags())
	flags.AddServerFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		entries, err := entriesOf(env, args)
		if err != nil {
			return err
		}
		s, err := connect(env, flags)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := s.put(cmd.Context(), env, importKey(prefix, e.Key), e); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func entriesOf(env *command.Env, args []string) ([]entry, error) {
	switch {
	case len(args) == 0:
		return nil, misused("Error! Missing DATA argument")
	case len(args) > 1:
		return nil, misused("Error! Too many arguments (expected 1, got %d)", len(args))
	case args[0] == "":
		return nil, misused("Error! Empty DATA argument")
	}
	content, err := data(env, args[0])
	if err != nil {
		return nil, err
	}
	var entries []entry
	if err := json.Unmarshal(content, &entries); err != nil {
		return nil, said("Cannot unmarshal data: %w", err)
	}
	return entries, nil
}

// importKey puts the prefix before a key as a folder. A key that is a folder stays one.
func importKey(prefix, key string) string {
	joined := path.Join(prefix, key)
	if strings.HasSuffix(key, "/") {
		joined += "/"
	}
	return joined
}

func (s store) put(ctx context.Context, env *command.Env, key string, e entry) error {
	value, err := base64.StdEncoding.DecodeString(e.Value)
	if err != nil {
		return said("Error base 64 decoding value for key %s: %w", e.Key, err)
	}
	query := url.Values{}
	if e.Flags != 0 {
		query.Set("flags", strconv.FormatUint(e.Flags, 10))
	}
	if e.Namespace != "" {
		query.Set("ns", e.Namespace)
	}
	if _, err := s.change(ctx, http.MethodPut, key, query, value); err != nil {
		return said("Error! Failed writing data for key %s: %w", cmp.Or(key, `""`), err)
	}
	_, err = fmt.Fprintf(env.Stdout, "Imported: %s\n", key)
	return err
}
