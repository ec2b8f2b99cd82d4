package worker

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/google/go-cmp/cmp"

	"berth/activities"
	"berth/workflows"
)

// registry writes down what is registered.
type registry struct{ names []string }

func (r *registry) RegisterActivity(any) { panic("an activity is registered without a name") }

func (r *registry) RegisterActivityWithOptions(_ any, o activity.RegisterOptions) {
	r.names = append(r.names, o.Name)
}

func (r *registry) RegisterDynamicActivity(any, activity.DynamicRegisterOptions) {
	panic("an activity is registered for any name")
}

func (r *registry) RegisterWorkflow(any) { panic("a workflow is registered without a name") }

func (r *registry) RegisterWorkflowWithOptions(_ any, o workflow.RegisterOptions) {
	r.names = append(r.names, o.Name)
}

func (r *registry) RegisterDynamicWorkflow(any, workflow.DynamicRegisterOptions) {
	panic("a workflow is registered for any name")
}

// constants reads the values of the string constants of the domain with a prefix, from its source: a constant that
// nobody registers is found although no code names it.
func constants(t *testing.T, file, prefix string) (values []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) != 1 {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is no plain string", spec.Names[0].Name)
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
		return true
	})
	slices.Sort(values)
	return values
}

func TestEveryNameIsRegisteredOnce(t *testing.T) {
	set := activities.Set{
		Records: &activities.Records{}, Network: &activities.Network{}, Proxmox: &activities.Proxmox{},
		Observer: &activities.Observer{}, Reconciler: &activities.Reconciler{},
	}
	var acts, flows registry
	set.Register(&acts)
	set.RegisterPulls(&acts)
	workflows.Register(&flows)
	slices.Sort(acts.names)
	slices.Sort(flows.names)
	if diff := cmp.Diff(constants(t, "../domain/activity.go", "Activity"), acts.names); diff != "" {
		t.Errorf("activities of the domain and registered ones differ (-domain +registered):\n%s", diff)
	}
	if diff := cmp.Diff(constants(t, "../domain/workflow.go", "Workflow"), flows.names); diff != "" {
		t.Errorf("workflows of the domain and registered ones differ (-domain +registered):\n%s", diff)
	}
}
