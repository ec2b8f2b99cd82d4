package workflows

import (
	"strings"

	"go.temporal.io/sdk/workflow"
)

// saga remembers how to undo what was begun. A compensation is registered BEFORE the step it undoes, because a step that
// failed may have taken effect; it must be idempotent and may find nothing to undo.
type saga struct {
	compensations []compensation
}

type compensation struct {
	name string
	undo func(workflow.Context) error
}

// before registers how to undo the step that comes next.
func (s *saga) before(name string, undo func(workflow.Context) error) {
	s.compensations = append(s.compensations, compensation{name, undo})
}

// undo runs every compensation, last one first, even when the workflow was cancelled. It returns what was undone and
// what could not be; one failed compensation does not keep the others from running.
func (s *saga) undo(ctx workflow.Context) (undone, failed []string) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	for i := len(s.compensations) - 1; i >= 0; i-- {
		c := s.compensations[i]
		if err := c.undo(ctx); err != nil {
			workflow.GetLogger(ctx).Error("compensation failed", "step", c.name, "error", err)
			failed = append(failed, c.name+": "+failure(err).Message)
			continue
		}
		undone = append(undone, c.name)
	}
	s.compensations = nil
	return undone, failed
}

// sentence lists what was undone in words.
func sentence(undone []string) string {
	if len(undone) == 0 {
		return "Nothing had to be undone."
	}
	return "Undone: " + strings.Join(undone, ", ") + "."
}
