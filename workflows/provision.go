package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// maxPlacements is how many nodes a provision tries before it gives up: with more, the fault is hardly the nodes'.
const maxPlacements = 5

// Provision makes a container: it ends ready, or undone and failed. Name, quota, address and MAC were reserved by the
// request; the run begins with the container's reservation on its way to the edges.
func Provision(ctx workflow.Context, in domain.OperationInput) error {
	p := provision{}
	p.saga.before("address, MAC and DNS name", p.giveUp)
	err := p.begin(ctx, "Provision", in)
	if err == nil {
		err = p.run(ctx)
	}
	if err != nil {
		return p.abort(ctx, err, domain.ContainerFailed)
	}
	return p.end(ctx, domain.FinishInput{
		Result: domain.OpSucceeded, After: domain.ContainerReady,
		Message: fmt.Sprintf("Ready on node %s as CT %d.", p.placed.Node, p.placed.VMID),
	})
}

type provision struct {
	operation
	placed domain.Placed
}

func (p *provision) run(ctx workflow.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	network := p.served(ctx, p.begun.Revision)
	if err := p.place(ctx); err != nil {
		return err
	}
	p.progress.enter(ctx, "configure", "environment and entrypoint")
	if err := p.step(ctx, domain.ActivityConfigure, limits{total: p.limit.Power, summary: "environment and entrypoint"}); err != nil {
		return err
	}
	p.progress.enter(ctx, "grant", "the owner's access in Proxmox VE")
	if err := p.step(ctx, domain.ActivityGrant, limits{total: p.limit.Power, summary: "owner's ACL"}); err != nil {
		return err
	}
	// The reservation has to be in dnsmasq before the guest asks for an address.
	p.progress.enter(ctx, "network", "edges serve DHCP reservation and DNS name")
	if err := network.Get(ctx, nil); err != nil {
		return err
	}
	p.progress.enter(ctx, "start", "boots")
	if err := p.step(ctx, domain.ActivityStart, limits{total: p.limit.Start, summary: "start"}); err != nil {
		return err
	}
	p.progress.enter(ctx, "verify", "the guest runs and holds exactly its address")
	if err := p.step(ctx, domain.ActivityVerify, limits{total: p.limit.Verify, summary: "runs with its address"}); err != nil {
		return err
	}
	if p.begun.Services == 0 {
		return nil
	}
	if err := p.publish(ctx); err != nil {
		return err
	}
	if err := p.certify(ctx); err != nil {
		return err
	}
	return p.live(ctx, nil)
}

// giveUp gives back what the request reserved, and what public DNS has of it.
func (p *provision) giveUp(ctx workflow.Context) error {
	released, err := p.released(ctx)
	if err != nil || released == 0 {
		return err
	}
	p.withdrawNames(ctx)
	return p.letGo(ctx, released)
}

// place finds a node that takes the container and creates it there; a node that refuses is left out and the next tried.
func (p *provision) place(ctx workflow.Context) error {
	next := domain.PlaceInput{OperationInput: p.in}
	for attempt := 1; ; attempt++ {
		err := p.createOnNode(ctx, next)
		if err == nil {
			return nil
		}
		why := failure(err)
		if ctx.Err() != nil || attempt == maxPlacements || !why.Elsewhere && !why.NewVMID {
			return err
		}
		p.progress.note(ctx, "node %s refused: %s", p.placed.Node, why.Message)
		if err := p.backOut(ctx); err != nil || p.leftover != "" {
			return fmt.Errorf("%w; and it could not be removed from node %s", temporal.NewApplicationError(why.Message, why.Kind, why), p.placed.Node)
		}
		if why.Elsewhere {
			next.Exclude = append(next.Exclude, p.placed.NodeID)
		}
		if why.NewVMID {
			next.AvoidVMIDs = append(next.AvoidVMIDs, p.placed.VMID)
		}
	}
}

func (p *provision) createOnNode(ctx workflow.Context, in domain.PlaceInput) error {
	p.progress.enter(ctx, "place", "chooses a node")
	p.saga.before("VMID", p.unplace)
	placed, err := quick[domain.Placed](ctx, domain.ActivityPlace, in)
	if err != nil {
		return err
	}
	p.placed = placed
	p.progress.note(ctx, "node %s, VMID %d: %s", placed.Node, placed.VMID, placed.Reason)
	_ = workflow.UpsertTypedSearchAttributes(ctx, nodeAttribute.ValueSet(placed.Node)) // only a convenience of the UI

	p.progress.enter(ctx, "image", "on the node")
	image, err := await[domain.Pulled](ctx, domain.ActivityPullImage, p.in,
		p.proxmox(limits{total: p.limit.Pull, queue: domain.PullQueue, summary: "image on " + placed.Node}))
	if err != nil {
		return err
	}
	p.progress.enter(ctx, "create", "on node "+placed.Node)
	p.saga.before("CT on node "+placed.Node, func(ctx workflow.Context) error {
		return p.destroy(ctx, limits{total: p.limit.Undo, summary: "remove what was created"})
	})
	_, err = await[none](ctx, domain.ActivityCreate, domain.CreateInput{OperationInput: p.in, Image: image},
		p.proxmox(limits{total: p.limit.Create, summary: fmt.Sprintf("CT %d on %s", placed.VMID, placed.Node)}))
	return err
}

// backOut undoes what was begun on a node that refused; address and name stay.
func (p *provision) backOut(ctx workflow.Context) error {
	keep := p.saga.compensations[0]
	p.saga.compensations = p.saga.compensations[1:]
	_, failed := p.saga.undo(ctx)
	p.saga.compensations = []compensation{keep}
	if len(failed) > 0 {
		return fmt.Errorf("could not undo %v", failed)
	}
	return nil
}

func (p *provision) step(ctx workflow.Context, name string, l limits) error {
	_, err := await[none](ctx, name, p.in, p.proxmox(l))
	return err
}

var nodeAttribute = temporal.NewSearchAttributeKeyKeyword(domain.AttributeNode)
