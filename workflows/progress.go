package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// progress keeps the Temporal UI's "current details" of a run reading like a log: who asked, which step runs, what
// became of the earlier ones. It costs nothing but memory: the server asks for it when somebody looks.
type progress struct {
	head  string
	lines []string
	step  string
}

func newProgress(ctx workflow.Context, title string, in domain.OperationInput) *progress {
	p := &progress{head: fmt.Sprintf("### %s %s\nAsked by %s for %s on site %s, operation `%s`.\n\n",
		title, in.Container, in.Actor, in.Owner, in.Site, in.OperationID)}
	p.show(ctx)
	return p
}

// enter starts a step.
func (p *progress) enter(ctx workflow.Context, step, doing string) {
	p.step = step
	p.lines = append(p.lines, fmt.Sprintf("- **%s**: %s", step, doing))
	p.show(ctx)
}

// note adds a remark to the running step.
func (p *progress) note(ctx workflow.Context, format string, args ...any) {
	p.lines = append(p.lines, "  - "+fmt.Sprintf(format, args...))
	p.show(ctx)
}

func (p *progress) show(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, p.head+strings.Join(p.lines, "\n"))
}
