// Command berth is every role of Berth and the client commands, in one binary.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"berth/config"
	"berth/domain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := rootCommand().ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "berth:", err)
	}
	os.Exit(exitCode(err))
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "berth", Short: "Self-service container hosting on Proxmox VE",
		SilenceErrors: true, SilenceUsage: true,
	}
	root.AddCommand(
		standaloneCommand(), apiCommand(), workerCommand(), migrateCommand(), adminCommand(), keysCommand(),
		temporalCommand(), labCommand(), configCommand(), exitTopic(),
	)
	for _, c := range clientCommands() {
		if c.Name() == "edge" {
			c.AddCommand(edgeRunCommand())
		}
		root.AddCommand(c)
	}
	return root
}

// role makes a command that runs a role with the whole configuration.
func role(use, short string, run func(context.Context, config.Config, *slog.Logger) error) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			logger, err := newLogger(cfg)
			if err != nil {
				return err
			}
			return run(cmd.Context(), cfg, logger)
		},
	}
	config.Flags(c.Flags())
	c.Flags().String("config", os.Getenv("BERTH_CONFIG"), "configuration file (YAML) ($BERTH_CONFIG)")
	return c
}

func load(cmd *cobra.Command) (config.Config, error) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return config.Config{}, err
	}
	return config.Load(cmd.Flags(), os.Environ(), path)
}

func newLogger(cfg config.Config) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, domain.InvalidFields("the configuration", []domain.FieldError{{Field: "log_level", Rule: "must be debug, info, warn or error"}})
	}
	options := &slog.HandlerOptions{Level: level}
	switch cfg.LogFormat {
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, options)), nil
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, options)), nil
	}
	return nil, domain.InvalidFields("the configuration", []domain.FieldError{{Field: "log_format", Rule: "must be text or json"}})
}

func configCommand() *cobra.Command {
	var markdown bool
	var output string
	c := &cobra.Command{
		Use: "config", Short: "Print every configuration key with its meaning", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if markdown {
				if output != "" {
					return os.WriteFile(output, []byte(config.Markdown()), 0o644)
				}
				_, err := fmt.Fprint(cmd.OutOrStdout(), config.Markdown())
				return err
			}
			for _, k := range config.Keys() {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n    --%s, $%s, default %q\n    %s\n", k.Name, k.Flag, k.Env, k.Default, k.Help); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", false, "as the page docs/configuration.md")
	c.Flags().StringVar(&output, "output", "", "file to write the page to")
	return c
}
