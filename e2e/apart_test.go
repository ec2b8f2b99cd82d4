//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"berth/client"
	"berth/e2e/harness"
)

// TestRolesApart runs the services of docker-compose.yml, two of every role, on PostgreSQL with Temporal on PostgreSQL, and kills one
// process after the other.
func TestRolesApart(t *testing.T) {
	p := harness.Compose(t)
	t.Run("fifty", func(t *testing.T) {
		p := p.In(t)
		fifty(t, p, "worker-1")
		deleteAll(t, p)
		clean(t, p)
	})
	for _, name := range []string{"api-1", "api-2", "worker-1", "worker-2", "edge-1", "edge-2", "temporal"} {
		t.Run(name+" killed", func(t *testing.T) { killed(t, p.In(t), name) })
	}
}

// killed kills one process while containers are being made by the API server that stays, and starts it again only when
// they are ready.
func killed(t *testing.T, p *harness.Platform, name string) {
	const few = 4
	api := p.Client
	if name == "api-1" {
		api = p.Client2
	}
	operations := ask(t, api, p, "kill", few)
	p.Process(name).Kill()
	if name == "temporal" { // there is one: without it nothing moves, and nothing is lost
		p.Restart(name)
	}
	for _, id := range operations {
		harness.Await(t, 2*time.Minute, "the container is made with "+name+" killed", func(ctx context.Context) error {
			answer, err := api.GetOperationWithResponse(ctx, id)
			if err != nil {
				return err
			}
			op := answer.JSON200
			if op.State.Open() {
				return fmt.Errorf("%s is %s", op.Name, op.State)
			}
			if op.State != client.OperationStateSucceeded {
				t.Fatalf("%s is %s: %s", op.Name, op.State, *op.Message)
			}
			return nil
		})
	}
	if name != "temporal" {
		p.Restart(name)
	}
	clean(t, p)
	deleteAll(t, p)
	clean(t, p)
}
