package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	// cobra: sub-commands, flags, help and shell completion in the form that users of kubectl and gh know.
	"github.com/spf13/cobra"

	"berth/client"
)

// clientCommands returns the commands that speak to the API. They read BERTH_URL, BERTH_TOKEN and BERTH_SITE.
func clientCommands() []*cobra.Command {
	commands := []*cobra.Command{
		clusterCommand(), siteCommand(), nodeCommand(), edgeCommand(), imageCommand(), registryCommand(), containerCommand(), serviceCommand(), domainCommand(), certificateCommand(), acmeCommand(),
		operationCommand(), quarantineCommand(), tokenCommand(), quotaCommand(), userCommand(), auditCommand(), reconcileCommand(),
	}
	for _, c := range commands {
		c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
		flags := c.PersistentFlags()
		flags.StringP("output", "o", "table", "how to print: table, json or yaml")
		flags.String("api-url", "", "address of the API; default: BERTH_URL, else http://127.0.0.1:8080")
		flags.String("api-token-file", "", "file with the API token, - for standard input; default: BERTH_TOKEN")
		flags.String("api-ca", "", "PEM file of the CA that signs the API's certificate; default: the system's")
		_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	}
	return commands
}

// noun makes the command that groups what can be done to one kind of thing.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("%s has no command %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())}
			}
			return cmd.Help()
		},
	}
	c.AddCommand(verbs...)
	return c
}

// session is one run of a client command.
type session struct {
	*client.Client
	cmd    *cobra.Command
	out    io.Writer // what was asked for
	err    io.Writer // progress and questions
	format string
	now    func() time.Time
}

// with opens a session for a command; what it returns fits cobra's RunE.
func with(run func(ctx context.Context, s *session, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		s, err := newSession(cmd)
		if err != nil {
			return err
		}
		cmd.SilenceUsage, cmd.SilenceErrors = true, true // from here on an error is not one of usage
		return run(cmd.Context(), s, args)
	}
}

func newSession(cmd *cobra.Command) (*session, error) {
	format := flagText(cmd, "output")
	if format != "table" && format != "json" && format != "yaml" {
		return nil, usageError{fmt.Errorf("--output must be table, json or yaml, not %q", format)}
	}
	base := flagText(cmd, "api-url")
	if base == "" {
		base = os.Getenv("BERTH_URL")
	}
	if base == "" {
		base = "http://127.0.0.1:8080"
	}
	token := os.Getenv("BERTH_TOKEN")
	if file := flagText(cmd, "api-token-file"); file != "" {
		text, err := readFile(cmd, file)
		if err != nil {
			return nil, usageError{err}
		}
		token = strings.TrimSpace(text)
	}
	if token == "" {
		return nil, usageError{errors.New("no API token: set BERTH_TOKEN or give --api-token-file")}
	}
	if err := keepPrivate(base); err != nil {
		return nil, err
	}
	var ca []byte
	if file := flagText(cmd, "api-ca"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, usageError{err}
		}
		ca = text
	}
	api, err := client.New(base, token, client.Options{CA: ca, UserAgent: "berth-cli", Timeout: 11 * time.Minute})
	if err != nil {
		return nil, usageError{err}
	}
	return &session{Client: api, cmd: cmd, out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), format: format, now: time.Now}, nil
}

// keepPrivate refuses to send a token over a network in the clear.
func keepPrivate(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" {
		return nil //nolint:nilerr // client.New says what is wrong
	}
	host := u.Hostname()
	if host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1" {
		return nil
	}
	return usageError{fmt.Errorf("%s would carry the token in the clear: use https", base)}
}

// flagText returns the value of a flag, empty when the command has no such flag.
func flagText(cmd *cobra.Command, name string) string {
	flag := cmd.Flag(name)
	if flag == nil {
		return ""
	}
	return flag.Value.String()
}

// readFile reads a file, or standard input for "-".
func readFile(cmd *cobra.Command, name string) (string, error) {
	if name == "-" {
		text, err := io.ReadAll(cmd.InOrStdin())
		return string(text), err
	}
	text, err := os.ReadFile(name)
	return string(text), err
}

// given returns the value of a flag when the user set it, so that everything else is left as it is.
func given[T any](cmd *cobra.Command, name string, v T) *T {
	if !cmd.Flags().Changed(name) {
		return nil
	}
	return &v
}

// optional returns nil for the zero value.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// addSite adds --site, which BERTH_SITE stands in for.
func addSite(cmd *cobra.Command) *string {
	site := cmd.Flags().String("site", os.Getenv("BERTH_SITE"), "site, by name or ID; default: BERTH_SITE")
	cmd.Flag("site").DefValue = "" // the help text does not depend on who reads it
	_ = cmd.RegisterFlagCompletionFunc("site", completeFlag(siteNames))
	return site
}
