package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// Certificate orders a certificate, or renews one, from the first of its domain's ACME accounts that issues it. Each step is one
// exchange with the certificate authority (CA) that leaves what the next one needs in SQL, so that a worker that dies in the middle
// wastes no order. A run that fails leaves the certificate failing, with the time of the next try; the reconciler starts that.
func Certificate(ctx workflow.Context, in domain.CertificateInput) error {
	c := certificate{in: in, progress: &progress{head: "### Certificate for " + in.Name + "\n\n"}}
	var tried []string
	var last error
	for {
		begun, err := quick[domain.CertificateBegun](ctx, domain.ActivityBeginOrder, domain.BeginOrderInput{CertificateInput: c.in, Tried: tried})
		if err != nil {
			return err
		}
		if begun.AccountID == "" {
			c.progress.enter(ctx, "end", "nothing is left to do")
			return last
		}
		c.begin(begun)
		if last = c.run(ctx); last == nil {
			c.progress.enter(ctx, "end", "issued")
			return nil
		}
		if err := c.fail(ctx, last); err != nil || temporal.IsCanceledError(last) {
			return errors.Join(last, err)
		}
		tried = append(tried, begun.AccountID)
	}
}

// certificate is one run.
type certificate struct {
	in       domain.CertificateInput
	begun    domain.CertificateBegun
	limit    domain.Deadlines
	step     domain.CertificateStep
	progress *progress
}

func (c *certificate) begin(begun domain.CertificateBegun) {
	c.begun, c.limit = begun, deadlinesOrDefault(begun.Deadlines)
	c.step = domain.CertificateStep{CertificateInput: c.in, AccountID: begun.AccountID, SiteID: begun.SiteID, Site: begun.Site}
}

func (c *certificate) run(ctx workflow.Context) error {
	if c.in.Revoke {
		if _, err := c.ask(ctx, domain.ActivityRevokeCertificate, "revoke it"); err != nil {
			return err
		}
		c.in.Revoke, c.in.Renew = false, true
		c.step.CertificateInput = c.in
	}
	if _, err := c.ask(ctx, domain.ActivityRegister, "account "+c.begun.Account); err != nil {
		return err
	}
	if _, err := c.ask(ctx, domain.ActivityOrder, "order from "+c.begun.Account); err != nil {
		return err
	}
	if err := c.prove(ctx); err != nil {
		return err
	}
	if _, err := c.ask(ctx, domain.ActivityFinalize, "the CA signs"); err != nil {
		return err
	}
	installed, err := c.ask(ctx, domain.ActivityInstall, "fetch it")
	if err != nil {
		return err
	}
	return c.await(ctx, domain.ActivityAwaitInstalled, installed.Revision, "edges serve it")
}

// prove shows the CA control of every name, and takes away afterwards what it was shown by.
func (c *certificate) prove(ctx workflow.Context) error {
	defer func() {
		whole, _ := workflow.NewDisconnectedContext(ctx)
		var err error
		if c.begun.Challenge == domain.DNS01 {
			_, err = await[none](whole, domain.ActivityTidyRecords, c.step, c.limits("public DNS as before"))
		} else {
			_, err = quick[none](whole, domain.ActivityTidyOrder, c.step)
		}
		if err != nil {
			workflow.GetLogger(ctx).Error("challenges left behind", "error", err)
		}
	}()
	shown, err := c.ask(ctx, domain.ActivityAuthorize, "challenges of type "+string(c.begun.Challenge))
	if err != nil {
		return err
	}
	if shown.Revision != 0 || shown.Records {
		if err := c.await(ctx, domain.ActivityAwaitChallenge, shown.Revision, "the answer is there for the CA to see"); err != nil {
			return err
		}
	}
	_, err = c.ask(ctx, domain.ActivityAnswer, "the CA looks")
	return err
}

// ask runs a step of the order.
func (c *certificate) ask(ctx workflow.Context, activity, summary string) (domain.CertificateRevision, error) {
	c.progress.enter(ctx, activity, summary)
	return await[domain.CertificateRevision](ctx, activity, c.step, c.limits(summary))
}

// await waits for edges or name servers.
func (c *certificate) await(ctx workflow.Context, activity string, revision int64, summary string) error {
	c.progress.enter(ctx, activity, summary)
	step := c.step
	step.Revision = revision
	_, err := await[none](ctx, activity, step, c.limits(summary))
	return err
}

func (c *certificate) limits(summary string) limits {
	return limits{total: c.limit.Certificate, heartbeat: c.limit.Heartbeat, summary: summary}
}

// fail writes down why it did not work, and when it is tried again.
func (c *certificate) fail(ctx workflow.Context, cause error) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	why := failure(cause)
	c.progress.note(ctx, "%s", why.Message)
	_, err := quick[none](ctx, domain.ActivityFailOrder,
		domain.CertificateFailed{CertificateStep: c.step, FailureInfo: why, RetryAfter: retryAfter(cause)})
	return err
}

// retryAfter is how long the outside world wants to be left alone, as the activity's error has it.
func retryAfter(err error) time.Duration {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return application.NextRetryDelay()
	}
	return 0
}
