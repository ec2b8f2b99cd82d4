package proxmox

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"berth/domain"
)

// Reaction is what a robust caller does about a failure.
type Reaction string

// The reactions.
const (
	Fail         Reaction = "fail"          // give up and show the words; a repetition changes nothing
	RetrySame    Reaction = "retry-same"    // nothing happened; the same call again after a pause (ChangeRetries)
	Wait         Reaction = "wait"          // something has to pass first: a lock, missing quorum
	Reread       Reaction = "reread"        // read the configuration again, compute the change anew
	NewVMID      Reaction = "new-vmid"      // the same with another VMID, at once
	OtherStorage Reaction = "other-storage" // another storage, or another node
	OtherNode    Reaction = "other-node"    // another node
	PullTemplate Reaction = "pull-template" // bring the image to this node, then once more
	PruneImages  Reaction = "prune-images"  // delete unused images, once more, else another node
	AlreadyDone  Reaction = "already-done"  // what was asked for is already so
	Relocate     Reaction = "relocate"      // Locate the CT: it may have moved; when it is gone, a delete is done
	ForceStop    Reaction = "force-stop"    // stop instead of shutting down
	Restart      Reaction = "restart"       // stop and start once, then another node
	Quarantine   Reaction = "quarantine"    // only an administrator can clear this VMID; use another one
	Reconcile    Reaction = "reconcile"     // look what happened before anything else
)

// Failure is one row of the failure table.
type Failure struct {
	Name       string
	Kind       domain.Kind
	Reaction   Reaction
	RetryAfter time.Duration // when a repetition makes sense, if known
	Words      string        // what happened and what to do, for who reads it; placeholders: $1 for a group of the match, see words.go

	statuses []int          // the row is for answers with these statuses only; none: for every source
	match    *regexp.Regexp // on reason phrase, message and fields, or on the exit status
	log      *regexp.Regexp // must be found in the task's log as well
}

// Stand-ins for the status of errors that are no answer of the API.
const (
	ofTask     = 0
	unanswered = -1
)

// Names of the rows that code refers to.
const (
	rowNodeUnreachable = "node unreachable"
	rowAPIUnreachable  = "API unreachable"
	rowVMIDTaken       = "VMID taken"
	rowAlreadyInState  = "already in state"
	rowPullCollides    = "pull collides"
	rowNoSuchTask      = "task not known"
	rowSubjectMissing  = "ACL subject missing"
	rowRefused         = "refused"
)

// Classify finds the row of an error that came out of this package. The first row that matches counts; the last ones match
// anything. For an unknown outcome the reaction is always Reconcile, whatever stood in the way.
func Classify(err error) Failure {
	status, text, log := textsOf(err)
	for _, row := range failures {
		idx, ok := row.find(status, text, log)
		if !ok {
			continue
		}
		if idx != nil {
			row.Words = string(row.match.ExpandString(nil, row.Words, text, idx))
		}
		row.Words = speak(row.Words, err)
		if domain.Is(err, domain.UnknownOutcome) {
			row.Kind, row.Reaction = domain.UnknownOutcome, Reconcile
		}
		return row
	}
	return Failure{Name: "unclassified", Kind: domain.Internal, Reaction: Fail, Words: "Proxmox gave no explanation."}
}

// Failures returns the table.
func Failures() []Failure { return slices.Clone(failures) }

func (f Failure) find(status int, text, log string) (idx []int, ok bool) {
	if len(f.statuses) > 0 && !slices.Contains(f.statuses, status) {
		return nil, false
	}
	if f.log != nil && !f.log.MatchString(log) {
		return nil, false
	}
	if f.match == nil {
		return nil, true
	}
	idx = f.match.FindStringSubmatchIndex(text)
	return idx, idx != nil
}

// textsOf returns what the table is matched against; status is one of the stand-ins when the API gave none.
func textsOf(err error) (status int, text, log string) {
	var api *APIError
	if errors.As(err, &api) {
		parts := []string{api.Reason, api.Message}
		for name, rule := range api.Fields {
			parts = append(parts, name+": "+rule)
		}
		slices.Sort(parts[2:])
		return api.Status, strings.Join(parts, "\n"), ""
	}
	var task *TaskError
	if errors.As(err, &task) {
		return ofTask, task.ExitStatus, strings.Join(task.Log, "\n")
	}
	if err == nil {
		return unanswered, "", ""
	}
	return unanswered, err.Error(), ""
}
