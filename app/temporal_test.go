package app_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"berth/app"
	"berth/domain"

	"github.com/stretchr/testify/mock" //nolint:depguard // the matchers that the SDK's own mocks take
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestTemporalStart(t *testing.T) {
	op := domain.Operation{ID: "op-1", Kind: domain.OpProvision, Resource: "container", ResourceID: "c-1"}
	in := domain.OperationInput{OperationID: "op-1", ContainerID: "c-1", Container: "web01", Site: "demo", Owner: "anna", Actor: "user:anna"}
	var options client.StartWorkflowOptions
	run := &mocks.WorkflowRun{}
	run.On("GetRunID").Return("run-1")
	double := &mocks.Client{}
	double.On("ExecuteWorkflow", mock.Anything, mock.Anything, domain.WorkflowProvision, in).Run(func(args mock.Arguments) {
		options = args.Get(1).(client.StartWorkflowOptions)
	}).Return(run, nil).Once()
	id, err := app.NewTemporal(double).Start(t.Context(), op, in)
	must(t, err)
	if id != "run-1" || options.ID != "container/c-1" || options.TaskQueue != domain.TaskQueue {
		t.Errorf("started %s as %s on %s", id, options.ID, options.TaskQueue)
	}
	if options.WorkflowIDConflictPolicy != enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL || !options.WorkflowExecutionErrorWhenAlreadyStarted {
		t.Error("an open workflow would be taken for the new one")
	}
	if options.TypedSearchAttributes.Size() != 4 || options.StaticSummary == "" || options.Memo["operation"] != "op-1" {
		t.Errorf("the UI would show %+v", options)
	}

	for _, c := range []struct {
		err  error
		want domain.Kind
	}{
		{&serviceerror.WorkflowExecutionAlreadyStarted{}, domain.Busy},
		{serviceerror.NewUnavailable("away"), domain.Unavailable},
		{context.DeadlineExceeded, domain.Unavailable},
	} {
		double.On("ExecuteWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(nil, c.err).Once()
		_, err := app.NewTemporal(double).Start(t.Context(), op, in)
		wantKind(t, err, c.want)
	}
}

func TestTemporalCancel(t *testing.T) {
	for _, c := range []struct {
		err  error
		want error
	}{
		{nil, nil},
		{serviceerror.NewNotFound("closed"), nil},
		{serviceerror.NewUnavailable("away"), domain.Errorf(domain.Unavailable, "")},
	} {
		double := &mocks.Client{}
		double.On("CancelWorkflow", mock.Anything, "container/c-1", "run-1").Return(c.err)
		err := app.NewTemporal(double).Cancel(t.Context(), "container/c-1", "run-1")
		if (err == nil) != (c.want == nil) || err != nil && !domain.Is(err, domain.Unavailable) {
			t.Errorf("Temporal says %v, Cancel says %v", c.err, err)
		}
	}
}

func TestTemporalSignalsTheNetwork(t *testing.T) {
	double := &mocks.Client{}
	double.On("SignalWithStartWorkflow", mock.Anything, "site/s-1/network", domain.SignalNetworkChanged, nil, mock.Anything,
		domain.WorkflowNetwork, domain.NetworkInput{SiteID: "s-1", Site: "demo"}).Return(&mocks.WorkflowRun{}, nil)
	must(t, app.NewTemporal(double).NetworkChanged(t.Context(), "s-1", "demo"))
	double.AssertExpectations(t)
}

func TestTemporalObservesAClusterOnce(t *testing.T) {
	double := &mocks.Client{}
	in := domain.ObserveInput{ClusterID: "k-1", Cluster: "lab"}
	double.On("ExecuteWorkflow", mock.Anything, mock.MatchedBy(func(o client.StartWorkflowOptions) bool {
		return o.ID == "cluster/k-1/observe" && o.WorkflowIDConflictPolicy == enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	}), domain.WorkflowObserve, in).Return(&mocks.WorkflowRun{}, nil)
	must(t, app.NewTemporal(double).Observe(t.Context(), in))
	double.AssertExpectations(t)
}

func TestTemporalOpen(t *testing.T) {
	describe := func(s enums.WorkflowExecutionStatus) *workflowservice.DescribeWorkflowExecutionResponse {
		return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{Status: s}}
	}
	for _, c := range []struct {
		answer *workflowservice.DescribeWorkflowExecutionResponse
		err    error
		open   bool
		fails  bool
	}{
		{describe(enums.WORKFLOW_EXECUTION_STATUS_RUNNING), nil, true, false},
		{describe(enums.WORKFLOW_EXECUTION_STATUS_COMPLETED), nil, false, false},
		{nil, serviceerror.NewNotFound("never was"), false, false},
		{nil, serviceerror.NewUnavailable("away"), false, true},
	} {
		double := &mocks.Client{}
		double.On("DescribeWorkflowExecution", mock.Anything, "container/c-1", "").Return(c.answer, c.err)
		open, err := app.NewTemporal(double).Open(t.Context(), "container/c-1")
		if open != c.open || (err != nil) != c.fails {
			t.Errorf("for %v, %v: open %t, error %v", c.answer, c.err, open, err)
		}
	}
}

func TestTemporalReconcile(t *testing.T) {
	run := &mocks.WorkflowRun{}
	run.On("Get", mock.Anything, mock.Anything).Run(func(args mock.Arguments) {
		*args.Get(1).(*domain.ReconcileReport) = domain.ReconcileReport{Repairs: []domain.Repair{
			{Subject: "container web01", What: "stopped by hand", Action: "started", Detail: "it should run"},
		}}
	}).Return(nil)
	double := &mocks.Client{}
	double.On("ExecuteWorkflow", mock.Anything, mock.Anything, domain.WorkflowReconcile, domain.ReconcileInput{DryRun: true}).
		Return(run, nil).Once()
	report, err := app.NewTemporal(double).Reconcile(t.Context(), true)
	must(t, err)
	if want := "container web01: stopped by hand: started (it should run)\n"; report != want {
		t.Errorf("the report is %q, want %q", report, want)
	}
	double.On("ExecuteWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything).
		Return(nil, &serviceerror.WorkflowExecutionAlreadyStarted{})
	_, err = app.NewTemporal(double).Reconcile(t.Context(), false)
	wantKind(t, err, domain.Busy)
}

func TestTemporalHealth(t *testing.T) {
	heard := func(ago time.Duration) *workflowservice.DescribeTaskQueueResponse {
		return &workflowservice.DescribeTaskQueueResponse{Pollers: []*taskqueue.PollerInfo{
			{LastAccessTime: timestamppb.New(time.Now().Add(-ago))},
		}}
	}
	for name, c := range map[string]struct {
		answer  *workflowservice.DescribeTaskQueueResponse
		err     error
		healthy bool
	}{
		"a worker polls":   {heard(time.Second), nil, true},
		"a worker is dead": {heard(time.Hour), nil, false},
		"no worker":        {&workflowservice.DescribeTaskQueueResponse{}, nil, false},
		"no Temporal":      {nil, errors.New("refused"), false},
	} {
		double := &mocks.Client{}
		double.On("DescribeTaskQueue", mock.Anything, domain.TaskQueue, enums.TASK_QUEUE_TYPE_WORKFLOW).Return(c.answer, c.err)
		err := app.NewTemporal(double).Healthy(t.Context())
		if (err == nil) != c.healthy {
			t.Errorf("%s: %v", name, err)
		}
	}
}
