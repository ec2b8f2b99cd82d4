package domain_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"testing"

	"berth/domain"
)

// The result codes of RFC 4511, section 4.1.9, that refuse.
var ldapRefusals = map[int]string{
	1: "operationsError", 2: "protocolError", 3: "timeLimitExceeded", 4: "sizeLimitExceeded", 7: "authMethodNotSupported",
	8: "strongerAuthRequired", 11: "adminLimitExceeded", 12: "unavailableCriticalExtension", 13: "confidentialityRequired",
	16: "noSuchAttribute", 17: "undefinedAttributeType", 18: "inappropriateMatching", 19: "constraintViolation",
	20: "attributeOrValueExists", 21: "invalidAttributeSyntax", 32: "noSuchObject", 33: "aliasProblem",
	34: "invalidDNSyntax", 36: "aliasDereferencingProblem", 48: "inappropriateAuthentication", 49: "invalidCredentials",
	50: "insufficientAccessRights", 51: "busy", 52: "unavailable", 53: "unwillingToPerform", 54: "loopDetect",
	64: "namingViolation", 65: "objectClassViolation", 66: "notAllowedOnNonLeaf", 67: "notAllowedOnRDN",
	68: "entryAlreadyExists", 69: "objectClassModsProhibited", 71: "affectsMultipleDSAs", 80: "other",
}

func TestEveryKindHasAPolicy(t *testing.T) {
	kinds := domain.Kinds()
	if want := int(domain.UnknownOutcome) + 1; len(kinds) != want {
		t.Fatalf("%d kinds are listed, want all %d", len(kinds), want)
	}
	stable := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	owner := map[string]domain.Kind{}
	for _, k := range kinds {
		p := k.Policy()
		if other, taken := owner[p.Name]; taken {
			t.Errorf("kinds %d and %d are both called %q", other, k, p.Name)
		}
		owner[p.Name] = k
		if !stable.MatchString(p.Name) {
			t.Errorf("kind %d is called %q, which is no word for a URL", k, p.Name)
		}
		if k.String() != p.Name {
			t.Errorf("kind %d prints as %q, want %q", k, k, p.Name)
		}
		if back, ok := domain.KindNamed(p.Name); !ok || back != k {
			t.Errorf("%q names %v, %v; want %v", p.Name, back, ok, k)
		}
		if p.HTTP < 400 || p.HTTP > 599 || http.StatusText(p.HTTP) == "" {
			t.Errorf("%v has HTTP status %d, want one that refuses", k, p.HTTP)
		}
		if ldapRefusals[p.LDAP] == "" {
			t.Errorf("%v has LDAP result code %d, want one of RFC 4511 that refuses", k, p.LDAP)
		}
	}
}

func TestCallersAreNeverRetriedForTheirMistakes(t *testing.T) {
	for _, k := range domain.Kinds() {
		p := k.Policy()
		mistake := p.HTTP < 500 && k != domain.Busy // a Busy thing becomes free
		if mistake && p.Retryable {
			t.Errorf("%v (%d) is retried, although only the caller can mend it", k, p.HTTP)
		}
	}
	if domain.Permanent.Policy().Retryable {
		t.Error("what the outside world refused for good is retried")
	}
}

func TestKindNamedNobodyKnows(t *testing.T) {
	for _, name := range []string{"", "Internal", "gone"} {
		if k, ok := domain.KindNamed(name); ok {
			t.Errorf("%q names %v, want no kind", name, k)
		}
	}
}

func TestKindOf(t *testing.T) {
	busy := domain.Errorf(domain.Busy, "held")
	for _, c := range []struct {
		name string
		err  error
		want domain.Kind
	}{
		{"none", nil, domain.Internal},
		{"not ours", io.EOF, domain.Internal},
		{"ours", busy, domain.Busy},
		{"wrapped by others", fmt.Errorf("create: %w", busy), domain.Busy},
		{"joined", errors.Join(io.EOF, busy), domain.Busy},
		{"the outermost counts", domain.Errorf(domain.Conflict, "create: %w", busy), domain.Conflict},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := domain.KindOf(c.err); got != c.want {
				t.Errorf("is %v, want %v", got, c.want)
			}
			if got := domain.Is(c.err, c.want); got != (c.err != nil) {
				t.Errorf("Is says %v, want %v: nil is of no kind", got, c.err != nil)
			}
		})
	}
}

func TestErrorf(t *testing.T) {
	for _, c := range []struct {
		name           string
		err            *domain.Error
		message, whole string
		cause          error
		status         int
	}{
		{
			name: "no cause", err: domain.Errorf(domain.NotFound, "container %s does not exist", "web01"),
			message: "container web01 does not exist", whole: "container web01 does not exist", status: 404,
		},
		{
			name: "cause at the end", err: domain.Errorf(domain.Unavailable, "ask node %s: %w", "pve1", io.ErrUnexpectedEOF),
			message: "ask node pve1", whole: "ask node pve1: unexpected EOF", cause: io.ErrUnexpectedEOF, status: 503,
		},
		{
			name: "cause alone", err: domain.Errorf(domain.Transient, "%w", io.EOF),
			message: "", whole: "EOF", cause: io.EOF, status: 503,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.err.Message != c.message {
				t.Errorf("says %q to people, want %q", c.err.Message, c.message)
			}
			if c.err.Error() != c.whole {
				t.Errorf("says %q to logs, want %q", c.err.Error(), c.whole)
			}
			if !errors.Is(c.err.Err, c.cause) {
				t.Errorf("has cause %v, want %v", c.err.Err, c.cause)
			}
			if c.cause != nil && !errors.Is(c.err, c.cause) {
				t.Errorf("errors.Is does not find %v", c.cause)
			}
			if got := c.err.Kind.Policy().HTTP; got != c.status {
				t.Errorf("answers %d, want %d", got, c.status)
			}
		})
	}
}

func TestInvalidFields(t *testing.T) {
	if err := domain.InvalidFields("container", nil); err != nil {
		t.Errorf("no offending field made %v, want no error", err)
	}
	err := domain.InvalidFields("container", []domain.FieldError{{Field: "cores", Rule: "must be 1"}, {Field: "name", Rule: "is taken"}})
	if !domain.Is(err, domain.Invalid) {
		t.Errorf("is %v, want invalid", domain.KindOf(err))
	}
	if want := "container is not valid: cores must be 1; name is taken"; err.Error() != want {
		t.Errorf("says %q, want %q", err, want)
	}
}
