package app

import (
	"context"
	"maps"
	"slices"
	"strings"

	"berth/domain"
	"berth/store"
)

// ContainerPatch changes a container; nil leaves a value as it is.
type ContainerPatch struct {
	Name       *string
	Cores      *int
	MemoryMiB  *int
	SwapMiB    *int
	DiskGiB    *int               // may only grow
	Env        map[string]*string // merged into what is there; a nil value deletes its key
	Entrypoint *string            // empty for the image's
	Restart    bool               // agrees to a restart where one is needed
}

// Update changes a container, live where Proxmox VE allows. A change that takes effect only with a restart, of a container that
// runs, is a Conflict unless the caller agrees to one. The operation is nil when there is nothing to do on a node: nothing
// changes, or the container failed and gets the new values with its next try.
func (s *Containers) Update(
	ctx context.Context, actor domain.Actor, ref, siteRef string, patch ContainerPatch, ifMatch int64, key string,
) (domain.Container, *domain.Operation, error) {
	r := request{action: "container.update", ref: ref, site: siteRef, ifMatch: ifMatch, key: key, body: []any{withoutValues(patch)}}
	out, err := s.operate(ctx, actor, r, func(tx *store.Store, c *domain.Container) (*domain.Operation, error) {
		return reconfigure(ctx, tx, actor, c, patch)
	})
	if err != nil {
		return domain.Container{}, nil, err
	}
	if out.container.ID == "" {
		return domain.Container{}, nil, missing("container", ref)
	}
	return shown(out.container), out.operation, nil
}

// withoutValues is a patch for the fingerprint: of the environment, which names are set and which are deleted.
func withoutValues(p ContainerPatch) ContainerPatch {
	names := make(map[string]*string, len(p.Env))
	for name, value := range p.Env {
		if value != nil {
			value = new(string)
		}
		names[name] = value
	}
	p.Env = names
	return p
}

func reconfigure(
	ctx context.Context, tx *store.Store, actor domain.Actor, c *domain.Container, p ContainerPatch,
) (*domain.Operation, error) {
	before, wanted := *c, p.applied(*c)
	if err := validPatch(before, wanted, p); err != nil {
		return nil, err
	}
	if before.State == domain.ContainerFailed {
		if err := idle(ctx, tx, before); err != nil {
			return nil, err
		}
		*c = wanted
		return nil, nil
	}
	if err := ready(ctx, tx, before); err != nil {
		return nil, err
	}
	change, differs := difference(before, wanted)
	if !differs {
		return nil, nil
	}
	change.Restart = p.Restart
	if change.NeedsRestart() && before.Power != domain.PowerStopped && !p.Restart {
		return nil, domain.Errorf(domain.Conflict,
			"%s takes effect only when the container is restarted: repeat the request with restart, or stop the container first",
			strings.Join(restarting(change), " and "))
	}
	more := domain.Usage{
		Cores: wanted.Spec.Cores - before.Spec.Cores, MemoryMiB: wanted.Spec.MemoryMiB - before.Spec.MemoryMiB,
		DiskGiB: wanted.Spec.DiskGiB - before.Spec.DiskGiB,
	}
	if err := tx.CheckGrowth(ctx, before.Owner, more, wanted.Spec.Cores == 0 && before.Spec.Cores != 0); err != nil {
		return nil, err
	}
	op := operationOn(before, actor, domain.OpReconfigure)
	op.Params.Reconfigure, op.Params.Before = &change, &domain.Before{
		Cores: before.Spec.Cores, MemoryMiB: before.Spec.MemoryMiB, SwapMiB: before.Spec.SwapMiB, Entrypoint: before.Spec.Entrypoint,
	}
	if change.Name != nil {
		if err := freeName(ctx, tx, before.SiteID, before.ID, wanted.Name); err != nil {
			return nil, err
		}
		op.Params.Before.Name = &before.Name
	}
	c.Spec = wanted.Spec // the name changes together with the reservation, when the workflow gets there
	return &op, nil
}

// applied is a container as a patch wants it.
func (p ContainerPatch) applied(c domain.Container) domain.Container {
	put(&c.Name, p.Name)
	put(&c.Spec.Cores, p.Cores)
	put(&c.Spec.MemoryMiB, p.MemoryMiB)
	put(&c.Spec.SwapMiB, p.SwapMiB)
	put(&c.Spec.DiskGiB, p.DiskGiB)
	put(&c.Spec.Entrypoint, p.Entrypoint)
	env := maps.Clone(c.Spec.Env)
	if env == nil {
		env = map[string]string{}
	}
	for name, value := range p.Env {
		if value == nil {
			delete(env, name)
			continue
		}
		env[name] = *value
	}
	c.Spec.Env = env
	return c
}

// validPatch returns every field that breaks a rule. Only what is to change counts: an imported container has no image, and may
// have been given more by hand than Berth gives.
func validPatch(before, wanted domain.Container, p ContainerPatch) error {
	var f fields
	if p.Name != nil && !domain.ValidHostname(wanted.Name) {
		f.fail("name", "must be 1 to 63 of a-z, 0-9 and -, and start and end with a letter or digit")
	}
	touched := []string{}
	for field, is := range map[string]bool{
		"cores": p.Cores != nil, "memoryMiB": p.MemoryMiB != nil, "swapMiB": p.SwapMiB != nil, "diskGiB": p.DiskGiB != nil,
		"entrypoint": p.Entrypoint != nil,
	} {
		if is {
			touched = append(touched, field)
		}
	}
	f.add(slices.DeleteFunc(wanted.Spec.Validate(), func(e domain.FieldError) bool {
		return !strings.HasPrefix(e.Field, "env.") && !slices.Contains(touched, e.Field)
	}))
	if p.DiskGiB != nil && before.State != domain.ContainerFailed && *p.DiskGiB < before.Spec.DiskGiB {
		f.fail("diskGiB", "must not be less than the %d GiB that it has: a disk only grows", before.Spec.DiskGiB)
	}
	return f.err("the change")
}

// difference lists what a change of a container changes in fact.
func difference(before, wanted domain.Container) (r domain.Reconfigure, differs bool) {
	for _, v := range []struct {
		to          **int
		was, wanted int
	}{
		{&r.Cores, before.Spec.Cores, wanted.Spec.Cores},
		{&r.MemoryMiB, before.Spec.MemoryMiB, wanted.Spec.MemoryMiB},
		{&r.SwapMiB, before.Spec.SwapMiB, wanted.Spec.SwapMiB},
		{&r.DiskGiB, before.Spec.DiskGiB, wanted.Spec.DiskGiB},
	} {
		if v.was != v.wanted {
			*v.to, differs = &v.wanted, true
		}
	}
	if before.Name != wanted.Name {
		r.Name = &wanted.Name
	}
	r.Env = !maps.Equal(before.Spec.Env, wanted.Spec.Env)
	r.Entrypoint = before.Spec.Entrypoint != wanted.Spec.Entrypoint
	return r, differs || r.Name != nil || r.Env || r.Entrypoint
}

func restarting(r domain.Reconfigure) []string {
	var parts []string
	if r.Env {
		parts = append(parts, "a new environment")
	}
	if r.Entrypoint {
		parts = append(parts, "a new entrypoint")
	}
	return parts
}
