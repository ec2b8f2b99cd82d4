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
	base   string
	token  domain.Secret
	client *http.Client
}

const (
	maxSnapshot   = 64 << 20         // bytes; 10,000 containers take 2 MiB
	answerTimeout = 10 * time.Second // on top of a long poll's own wait
)

// NewHTTPSource returns a Source at an API's base URL, such as "https://berth.example:8443". The client decides which CA
// to trust; its Timeout must be 0 or longer than a long poll.
func NewHTTPSource(baseURL string, token domain.Secret, client *http.Client) *HTTPSource {
	return &HTTPSource{base: strings.TrimSuffix(baseURL, "/") + "/api/v1/edge/", token: token, client: client}
}

// Snapshot implements Source by GET with If-None-Match.
func (s *HTTPSource) Snapshot(ctx context.Context, etag string, wait time.Duration) (snapshot domain.Snapshot, newETag string, changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, wait+answerTimeout)
	defer cancel()
	query := url.Values{"wait": {strconv.Itoa(int(wait.Seconds()))}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"snapshot?"+query.Encode(), nil)
	if err != nil {
		return snapshot, "", false, domain.Errorf(domain.Invalid, "ask for the snapshot: %w", err)
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := s.do(req)
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
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"report", bytes.NewReader(body))
	if err != nil {
		return domain.Errorf(domain.Invalid, "report: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.do(req)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("report: %w", refusal(resp))
	}
	return nil
}

func (s *HTTPSource) do(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer "+s.token.Reveal())
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, domain.Errorf(domain.Unavailable, "reach the API: %w", err)
	}
	return resp, nil
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
