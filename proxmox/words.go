package proxmox

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"berth/domain"
)

// Placeholders in the words of a row, beside the groups of its match.
const (
	reasonHere = "{reason}" // why nothing answered, in brackets; nothing when that is not known
	saidHere   = "{said}"   // what Proxmox said itself, after a colon; nothing when it said nothing
)

// speak fills the placeholders of a row's words for the error that it was found for.
func speak(words string, err error) string {
	if reason := reasonOf(err); reason != "" {
		reason = " (" + reason + ")"
		words = strings.ReplaceAll(words, reasonHere, reason)
	}
	if said := saidBy(err); said != "" {
		words = strings.ReplaceAll(words, saidHere, `: "`+said+`"`)
	}
	return strings.NewReplacer(reasonHere, "", saidHere, "").Replace(words)
}

// reasonOf says in a few words why there was no answer: the node that forwards a call puts that into its reason phrase.
func reasonOf(err error) string {
	var api *APIError
	if errors.As(err, &api) {
		if api.Status >= 590 {
			return strings.ToLower(plain(api.Reason))
		}
		return ""
	}
	return domain.Reason(err)
}

// saidBy is what Proxmox said: the message of a refusal, or how a task ended and the last line of its log.
func saidBy(err error) string {
	var api *APIError
	if errors.As(err, &api) {
		return plain(api.detail())
	}
	var task *TaskError
	if !errors.As(err, &task) {
		return ""
	}
	said := task.ExitStatus
	if line := task.lastLine(); line != "" && line != said {
		said += "; " + line
	}
	return plain(said)
}

var (
	perlPlace = regexp.MustCompile(` at /usr/(share|bin|sbin|lib)/\S+ line \d+\.?`)
	webURL    = regexp.MustCompile(`https?://([^/\s'"]+)[^\s'"]*`)
	scheme    = regexp.MustCompile(`\b[a-z][a-z0-9+.-]*://`)
	doubled   = regexp.MustCompile(`([.,:;!?])[.,:;]+`)
)

// mostSaid is how much of Proxmox's own words is quoted, in bytes.
const mostSaid = 300

// plain makes Proxmox's words fit for a sentence: one line, without addresses and places in its sources.
func plain(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	text = perlPlace.ReplaceAllString(text, "")
	text = scheme.ReplaceAllString(webURL.ReplaceAllString(text, "$1"), "")
	text = doubled.ReplaceAllString(strings.ReplaceAll(text, `"`, "'"), "$1")
	if len(text) > mostSaid {
		text = strings.ToValidUTF8(text[:mostSaid], "") + " ..."
	}
	return strings.TrimRight(strings.TrimSpace(text), ".:;, ")
}

// named says which task a UPID is, without the user and the numbers in it.
func named(ref TaskRef) string {
	upid, err := ParseUPID(ref.UPID)
	if err != nil {
		return "a task"
	}
	return strings.Join(strings.Fields("task "+upid.Type+" "+upid.ID+" on "+upid.Node), " ")
}

// Hiding returns a client of the same cluster that takes these values out of everything Proxmox says, should it echo them:
// the environment of a container, above all. Values of less than four bytes are no secrets and would garble every text.
func (c *Client) Hiding(values []string) *Client {
	hiding := *c
	hiding.hide = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return len(v) < 4 })
	// A value that holds another one goes first, so that nothing of it stays.
	slices.SortFunc(hiding.hide, func(a, b string) int { return len(b) - len(a) })
	return &hiding
}

// values are those of an environment.
func values(env []string) []string {
	found := make([]string, 0, len(env))
	for _, kv := range env {
		_, value, _ := strings.Cut(kv, "=")
		found = append(found, value)
	}
	return found
}

// hideKey is the key of the values to hide in a context; the transport is shared by all clients of the cluster.
type hideKey struct{}

func (c *Client) hiding(ctx context.Context) context.Context {
	if len(c.hide) == 0 {
		return ctx
	}
	return context.WithValue(ctx, hideKey{}, c.hide)
}

// without takes values out of a text, in the forms in which Proxmox may echo them.
func without(text string, values []string) string {
	for _, value := range values {
		for _, form := range []string{value, url.QueryEscape(value), url.PathEscape(value)} {
			text = strings.ReplaceAll(text, form, "***")
		}
	}
	return text
}

// hidden is an error whose text was cleaned of secrets; what it is stays recognisable.
type hidden struct {
	text string
	err  error
}

func (h hidden) Error() string { return h.text }
func (h hidden) Unwrap() error { return h.err }
