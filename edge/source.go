package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"berth/domain"
)

// Source is where an edge gets its site's snapshot and leaves its reports.
type Source interface {
	// Snapshot returns the published snapshot of the edge's site once its ETag differs from etag, which is empty at
	// first. After wait without a change, changed is false and the other results are void.
	// Errors: Unauthenticated or Forbidden when the edge's token is not good (any more), else Unavailable.
	Snapshot(ctx context.Context, etag string, wait time.Duration) (snapshot domain.Snapshot, newETag string, changed bool, err error)
	// Report stores how the edge is doing. Errors are as of Snapshot.
	Report(ctx context.Context, report domain.EdgeReport) error
}

// HTTPSource speaks the edge protocol of the Berth API.
type HTTPSource struct {
	bases   []string     // of the API servers
	current atomic.Int32 // the one that answered last
	token   domain.Secret
	client  *http.Client
}

const (
	maxSnapshot   = 64 << 20         // bytes; 10,000 containers take 2 MiB
	answerTimeout = 10 * time.Second // on top of a long poll's own wait
)

// NewHTTPSource returns a Source at the base URLs of one or more API servers of an installation, such as
// "https://berth.example:8443"; when one does not answer, the next is asked. The client decides which CA to trust; its Timeout must
// be 0 or longer than a long poll.
func NewHTTPSource(urls []string, token domain.Secret, client *http.Client) *HTTPSource {
	s := &HTTPSource{token: token, client: client}
	for _, u := range urls {
		s.bases = append(s.bases, strings.TrimSuffix(u, "/")+"/api/v1/edge/")
	}
	return s
}

// Snapshot implements Source by GET with If-None-Match.
func (s *HTTPSource) Snapshot(ctx context.Context, etag string, wait time.Duration) (snapshot domain.Snapshot, newETag string, changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, wait+answerTimeout)
	defer cancel()
	query := url.Values{"wait": {strconv.Itoa(int(wait.Seconds()))}}
	header := http.Header{}
	if etag != "" {
		header.Set("If-None-Match", etag)
	}
	resp, err := s.do(ctx, http.MethodGet, "snapshot?"+query.Encode(), header, nil)
	if err != nil {
		return snapshot, "", false, fmt.Errorf("fetch the snapshot: %w", err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotModified:
		return snapshot, etag, false, nil
	case http.StatusOK:
	default:
		return snapshot, "", false, fmt.Errorf("fetch the snapshot: %w", refusal(resp))
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxSnapshot)).Decode(&snapshot); err != nil {
		return domain.Snapshot{}, "", false, domain.Errorf(domain.Unavailable, "read the snapshot: %w", err)
	}
	return snapshot, resp.Header.Get("ETag"), true, nil
}

// Report implements Source by POST.
func (s *HTTPSource) Report(ctx context.Context, report domain.EdgeReport) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	body, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	resp, err := s.do(ctx, http.MethodPost, "report", http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("report: %w", refusal(resp))
	}
	return nil
}

// do sends a request to the API server that answered last, and to the others in turn when it does not answer. Both requests of the
// protocol may arrive twice.
func (s *HTTPSource) do(ctx context.Context, method, path string, header http.Header, body []byte) (*http.Response, error) {
	first := int(s.current.Load())
	var last error
	for i := range s.bases {
		n := (first + i) % len(s.bases)
		req, err := http.NewRequestWithContext(ctx, method, s.bases[n]+path, bytes.NewReader(body))
		if err != nil {
			return nil, domain.Errorf(domain.Invalid, "%s is no URL of an API: %w", s.bases[n], err)
		}
		req.Header = header.Clone()
		req.Header.Set("Authorization", "Bearer "+s.token.Reveal())
		req.Header.Set("Accept", "application/json")
		resp, err := s.client.Do(req)
		if err == nil {
			s.current.Store(int32(n)) //nolint:gosec // an index of a short list
			return resp, nil
		}
		last = domain.Errorf(domain.Unavailable, "reach the API: %w", err)
		s.current.Store(int32((n + 1) % len(s.bases))) //nolint:gosec // the same
		if ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

// refusal turns an answer that is neither a snapshot nor "not modified" into an error, with the words of its problem
// document (RFC 9457) if it is one.
func refusal(resp *http.Response) error {
	var problem struct{ Title, Detail string }
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&problem) // a proxy's page has no words for us
	words := problem.Detail
	if words == "" {
		words = problem.Title
	}
	if words == "" {
		words = resp.Status
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return domain.Errorf(domain.Unauthenticated, "the edge's token is not accepted (%s); enrol the edge anew", words)
	case http.StatusForbidden:
		return domain.Errorf(domain.Forbidden, "the edge's token does not allow this (%s); enrol the edge anew", words)
	}
	return domain.Errorf(domain.Unavailable, "the API answered %d (%s)", resp.StatusCode, words)
}
