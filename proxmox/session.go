package proxmox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// ticketAge is when a ticket is renewed before use. It lives for 2 h.
const ticketAge = 90 * time.Minute

// session holds the ticket of a user who logs in by password. Logins are serialised: of twenty calls that find the ticket
// missing or refused one logs in, the others take its result.
type session struct {
	login sync.Mutex // held while logging in
	mu    sync.Mutex // guards ticket
	now   *ticket
}

type ticket struct {
	value, csrf string
	issued      time.Time
}

func (k *ticket) header(method string) http.Header {
	h := http.Header{"Cookie": {"PVEAuthCookie=" + url.QueryEscape(k.value)}}
	if method != http.MethodGet {
		h["Csrfpreventiontoken"] = []string{k.csrf}
	}
	return h
}

func (s *session) current() *ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *session) secret() string {
	if k := s.current(); k != nil {
		return k.value
	}
	return ""
}

// get returns a ticket that is fresh and not the refused one.
func (s *session) get(ctx context.Context, t *transport, refused *ticket) (*ticket, error) {
	usable := func(k *ticket) bool { return k != nil && k != refused && t.cfg.Now().Sub(k.issued) < ticketAge }
	if k := s.current(); usable(k) {
		return k, nil
	}
	s.login.Lock()
	defer s.login.Unlock()
	old := s.current()
	if usable(old) {
		return old, nil
	}
	var fresh *ticket
	var err error
	if old != nil && old != refused { // an old ticket is taken as password; a refused one would cost 3 s for nothing
		fresh, _ = newTicket(ctx, t, old.value) // a refusal is answered by logging in anew
	}
	if fresh == nil {
		if fresh, err = newTicket(ctx, t, t.cfg.Password); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.now = fresh
	s.mu.Unlock()
	return fresh, nil
}

func newTicket(ctx context.Context, t *transport, password string) (*ticket, error) {
	const path = "/access/ticket"
	form, err := json.Marshal(map[string]string{"username": t.cfg.Username, "password": password})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.endpoints[0].String()+apiRoot+path, bytes.NewReader(form))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := t.failover(req, path, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Data struct {
			Ticket  string   `json:"ticket"`
			CSRF    string   `json:"CSRFPreventionToken"`
			NeedTFA flexBool `json:"NeedTFA"`
		} `json:"data"`
	}
	raw, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(raw, &answer)
	}
	switch {
	case err != nil:
	case bool(answer.Data.NeedTFA):
		err = errors.New("the login asks for a second factor")
	case answer.Data.Ticket == "" || answer.Data.CSRF == "":
		err = errors.New("the login is not an answer of Proxmox VE: no ticket")
	}
	if err != nil {
		return nil, &callError{http.MethodPost, path, false, err}
	}
	return &ticket{value: answer.Data.Ticket, csrf: answer.Data.CSRF, issued: t.cfg.Now()}, nil
}
