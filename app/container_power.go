package app

import (
	"context"
	"time"

	"berth/domain"
	"berth/store"
)

// PowerInput is a request to switch a container.
type PowerInput struct {
	Action  domain.PowerAction
	Timeout time.Duration // of a shutdown or reboot; 0 = 60 s, as in Proxmox VE
	Force   bool          // shutdown: kill when the time is over
}

// longestShutdown bounds how long a guest may take to end by itself.
const longestShutdown = time.Hour

// Power starts, shuts down, stops or reboots a container.
func (s *Containers) Power(
	ctx context.Context, actor domain.Actor, ref, siteRef string, in PowerInput, key string,
) (domain.Operation, error) {
	r := request{action: "container.power", ref: ref, site: siteRef, key: key, body: []any{in}}
	out, err := s.operate(ctx, actor, r, func(tx *store.Store, c *domain.Container) (*domain.Operation, error) {
		if err := validPower(in); err != nil {
			return nil, err
		}
		if err := ready(ctx, tx, *c); err != nil {
			return nil, err
		}
		c.WantPower = in.Action.Wants()
		op := operationOn(*c, actor, domain.OpPower)
		op.Params = domain.OperationParams{Power: in.Action, Timeout: int(in.Timeout / time.Second), Force: in.Force}
		return &op, nil
	})
	return out.begun(), err
}

func validPower(in PowerInput) error {
	var f fields
	if !in.Action.Valid() {
		f.fail("action", "must be start, shutdown, stop or reboot")
	}
	if in.Timeout < 0 || in.Timeout > longestShutdown {
		f.fail("timeout", "must be between 0 and %s", longestShutdown)
	} else if in.Timeout != 0 && in.Timeout < time.Second {
		f.fail("timeout", "must be whole seconds")
	}
	if in.Force && in.Action != domain.ActionShutdown {
		f.fail("force", "goes with shutdown alone")
	}
	return f.err("the request")
}
