package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"berth/config"
	"berth/domain"
	"berth/process"
	"berth/secret"
	"berth/web"
)

// retention is how long Temporal keeps the history of runs that ended.
const retention = 30 * 24 * time.Hour

func temporalCommand() *cobra.Command {
	t := noun("temporal", "The Temporal cluster that Berth runs on")
	t.AddCommand(role("setup", "Register namespace, retention and search attributes", func(ctx context.Context, cfg config.Config, logger *slog.Logger) error {
		c, err := awaitTemporal(ctx, cfg, secret.Generate(), logger, client.Options{})
		if err != nil {
			return err
		}
		defer c.Close()
		// A frontend answers before the rest of its cluster does, and a namespace is known to all of it only after a while.
		return patiently(logger).until(ctx, "Temporal's namespace", func(ctx context.Context) error {
			return setupTemporal(ctx, c, cfg.TemporalNamespace)
		})
	}))
	return t
}

// setupTemporal registers what Berth needs of a Temporal cluster. What is there already is left as it is.
func setupTemporal(ctx context.Context, c client.Client, namespace string) error {
	_, err := c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	var exists *serviceerror.NamespaceAlreadyExists
	if err != nil && !errors.As(err, &exists) {
		return domain.Errorf(domain.Unavailable, "namespace %s: %w", namespace, err)
	}
	wanted := map[string]enums.IndexedValueType{}
	for _, name := range domain.SearchAttributes() {
		wanted[name] = enums.INDEXED_VALUE_TYPE_KEYWORD
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: wanted})
	var already *serviceerror.AlreadyExists
	if err != nil && !errors.As(err, &already) {
		return domain.Errorf(domain.Unavailable, "search attributes: %w", err)
	}
	return nil
}

// checkAttributes refuses to work on a cluster that berth temporal setup was not run on.
func checkAttributes(ctx context.Context, c client.Client, namespace string) error {
	answer, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return domain.Errorf(domain.Unavailable, "search attributes of Temporal cannot be read: %w", err)
	}
	var missing []string
	for _, name := range domain.SearchAttributes() {
		if _, ok := answer.CustomAttributes[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return domain.Errorf(domain.Unavailable, "Temporal lacks the search attributes %s: run berth temporal setup", strings.Join(missing, ", "))
	}
	return nil
}

// startTemporal starts berth-temporal as a child, with its UI at an address for Berth alone.
func startTemporal(ctx context.Context, cfg config.Config, ui string, logger *slog.Logger) (*process.Supervisor, error) {
	if _, err := os.Stat(cfg.TemporalBinary); err != nil {
		return nil, domain.Errorf(domain.Unavailable, "%s is missing: run make build, or name a Temporal cluster with TEMPORAL_ADDRESS", cfg.TemporalBinary)
	}
	log, err := os.OpenFile(filepath.Join(cfg.Data, "temporal.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, domain.Errorf(domain.Unavailable, "log of Temporal: %w", err)
	}
	command := []string{
		cfg.TemporalBinary, "--listen", cfg.TemporalListen, "--ui", ui, "--data", filepath.Join(cfg.Data, "temporal"),
		"--namespace", cfg.TemporalNamespace, "--search-attributes", strings.Join(domain.SearchAttributes(), ","),
		"--parent-pid", fmt.Sprint(os.Getpid()),
	}
	if cfg.TemporalCodec && ui != "" {
		command = append(command, "--codec-endpoint", uiURL(cfg)+web.CodecPath)
	}
	return process.Start(ctx, process.Child{
		Command: command,
		ReadyLine: func(line string) bool {
			var said struct{ Ready bool }
			return json.Unmarshal([]byte(line), &said) == nil && said.Ready
		},
		Output: log, Log: logger,
	})
}

// uiURL is where administrators find Temporal's UI.
func uiURL(cfg config.Config) string {
	scheme := "http"
	if cfg.TLSCert != "" {
		scheme = "https"
	}
	return scheme + "://" + cfg.TemporalUI
}
