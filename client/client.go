package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options is what a client needs besides the address and the token. The zero value works.
type Options struct {
	CA        []byte        // PEM certificates that sign the server's; the system's when empty
	UserAgent string        // such as "berth/1.2"
	Timeout   time.Duration // of one request; 0 = until its context ends. Streams and long polls have none
	// Transport replaces the connections that the client would make; CA is not used then.
	Transport http.RoundTripper
}

// Client speaks Berth's API. Its methods are the generated ones: each returns the decoded answer, or a *Problem as its error
// whenever the server answers with a status of 400 and above.
type Client struct {
	*ClientWithResponses
	stream *ClientWithResponses // the same without a time limit
}

// New returns a client of the server at baseURL, such as "https://berth.example.net:8080".
func New(baseURL, token string, opts Options) (*Client, error) {
	base, err := url.Parse(baseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("the address of the API must be a URL such as http://127.0.0.1:8080, not %q", baseURL)
	}
	transport := opts.Transport
	if transport == nil {
		if transport, err = newTransport(opts.CA); err != nil {
			return nil, err
		}
	}
	raw := func(timeout time.Duration) (*ClientWithResponses, error) {
		return NewClientWithResponses(strings.TrimSuffix(base.String(), "/"), WithHTTPClient(&doer{
			http:  &http.Client{Transport: transport, Timeout: timeout, CheckRedirect: noRedirect},
			token: token, agent: opts.UserAgent,
		}))
	}
	calls, err := raw(opts.Timeout)
	if err != nil {
		return nil, err
	}
	stream, err := raw(0)
	if err != nil {
		return nil, err
	}
	return &Client{calls, stream}, nil
}

func newTransport(ca []byte) (http.RoundTripper, error) {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("the program has replaced Go's HTTP transport")
	}
	transport = transport.Clone()
	if len(ca) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(ca) {
			return nil, errors.New("the CA file holds no PEM certificate")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return transport, nil
}

// noRedirect keeps the token from following a redirect elsewhere: the API sends none.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// doer authenticates requests and turns answers that tell of a failure into errors.
type doer struct {
	http  *http.Client
	token string
	agent string
}

// Do sends a request.
func (d *doer) Do(request *http.Request) (*http.Response, error) {
	if d.token != "" {
		request.Header.Set("Authorization", "Bearer "+d.token)
	}
	if d.agent != "" {
		request.Header.Set("User-Agent", d.agent)
	}
	response, err := d.http.Do(request)
	if err != nil {
		return nil, &Unreachable{URL: request.URL.Scheme + "://" + request.URL.Host, Err: err}
	}
	if response.StatusCode >= http.StatusBadRequest || redirects(response.StatusCode) {
		defer response.Body.Close()
		return nil, readProblem(response)
	}
	return response, nil
}

func redirects(status int) bool {
	return status >= http.StatusMultipleChoices && status < http.StatusBadRequest && status != http.StatusNotModified
}
