package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/server/common/log"
	"google.golang.org/protobuf/types/known/durationpb"

	"berth/deploy/berth-temporal/internal/settings"
)

// pollEvery is the pause between questions to a server that is not ready yet.
const pollEvery = 50 * time.Millisecond

// prepareNamespace registers the namespace and the search attributes that are missing, and returns once the server
// accepts queries by them, which is once workflows may use them. What exists is left as it is.
func prepareNamespace(ctx context.Context, s settings.Settings) error {
	listen, err := netip.ParseAddrPort(s.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	c, err := client.NewLazyClient(client.Options{
		HostPort: localAddress(listen), Namespace: s.Namespace, Logger: sdklog.Logger(log.NewSdkLogger(log.NewNoopLogger())),
	})
	if err != nil {
		return fmt.Errorf("prepare a client: %w", err)
	}
	defer c.Close()

	err = poll(ctx, func() error {
		_, err := c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
			Namespace:                        s.Namespace,
			WorkflowExecutionRetentionPeriod: durationpb.New(s.Retention),
		})
		if exists := new(serviceerror.NamespaceAlreadyExists); errors.As(err, &exists) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("register namespace %s: %w", s.Namespace, err)
	}
	added := false
	err = poll(ctx, func() (err error) {
		added, err = addSearchAttributes(ctx, c, s)
		return err
	})
	if err != nil {
		return fmt.Errorf("register search attributes: %w", err)
	}
	if err := awaitSearchAttributes(ctx, c, s.SearchAttributes); err != nil {
		return fmt.Errorf("wait for the search attributes: %w", err)
	}
	if added {
		// The frontend has them now, as the query showed. The history service, which cannot be asked, reads namespaces
		// at the same pace: two rounds on, it has them too.
		return pause(ctx, 2*namespaceRefresh)
	}
	return nil
}

// addSearchAttributes registers those that are missing and says whether there were any.
func addSearchAttributes(ctx context.Context, c client.Client, s settings.Settings) (added bool, err error) {
	if len(s.SearchAttributes) == 0 {
		return false, nil
	}
	known, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{
		Namespace: s.Namespace,
	})
	if err != nil {
		return false, err
	}
	missing := map[string]enumspb.IndexedValueType{}
	for _, name := range s.SearchAttributes {
		if _, exists := known.GetCustomAttributes()[name]; !exists {
			missing[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
		}
	}
	if len(missing) == 0 {
		return false, nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: s.Namespace, SearchAttributes: missing,
	})
	return err == nil, err
}

// awaitSearchAttributes returns once the frontend accepts a query by every one of names.
func awaitSearchAttributes(ctx context.Context, c client.Client, names []string) error {
	query := make([]string, len(names))
	for i, name := range names {
		query[i] = name + " = 'none'"
	}
	return poll(ctx, func() error {
		_, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			PageSize: 1, Query: strings.Join(query, " AND "),
		})
		return err
	})
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// poll repeats try until it succeeds or ctx ends. A server that starts answers in many ways (unavailable, namespace not
// found, unknown attribute), all of which end by themselves; the last answer is kept for the report.
func poll(ctx context.Context, try func() error) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-ticker.C:
		}
	}
}
