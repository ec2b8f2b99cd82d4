// Package cloudflare is a double of the part of Cloudflare's API that DNS records are changed by, as
// https://developers.cloudflare.com/api describes it: zones and dns_records, error codes and all. What it is told ends up in a real name
// server, and it can be made to misbehave, by Break or a POST of a Fault to /lab/fault.
package cloudflare

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Token is the API token that the double takes. It is no secret: the lab serves loopback only.
const Token = "lab-cloudflare-token-0123456789abcdefghi"

// Config says what to serve.
type Config struct {
	Listen      string // host:port
	Zone        string // the one zone that the token may see
	Nameservers []string
	// Apply brings a change to the name server of the zone, whole or not at all; nil keeps records here only.
	Apply func(remove, add []Record) error
}

// Record is a DNS record as the API has it.
type Record struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Type    string `json:"type"`
	Content string `json:"content"`
	TTL     int    `json:"ttl"`
	Proxied bool   `json:"proxied"`
	Comment string `json:"comment,omitempty"`
}

// Fault makes the next requests fail.
type Fault struct {
	Status     int `json:"status"`
	Count      int `json:"count"`
	RetryAfter int `json:"retryAfter"` // seconds
}

// Server is a running double.
type Server struct {
	conf   Config
	server *http.Server

	mu      sync.Mutex
	records []Record
	next    int
	fault   Fault
	asked   int
}

// zoneID is the ID of the zone.
const zoneID = "023e105f4ecef8ad9ca31a8372d0c353"

// Start starts the double.
func Start(c Config) (*Server, error) {
	s := &Server{conf: c}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("double of Cloudflare: %w", err)
	}
	s.conf.Listen = listener.Addr().String()
	s.server = &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(listener) }()
	return s, nil
}

// URL is the base URL of the API.
func (s *Server) URL() string { return "http://" + s.conf.Listen + "/client/v4" }

// Stop stops the double.
func (s *Server) Stop() error { return s.server.Close() }

// Break makes the next requests fail.
func (s *Server) Break(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Asked returns how many requests there were.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *Server) handler() http.Handler {
	api := http.NewServeMux()
	api.HandleFunc("GET /client/v4/zones", s.zones)
	api.HandleFunc("GET /client/v4/zones/{zone}/dns_records", s.list)
	api.HandleFunc("POST /client/v4/zones/{zone}/dns_records", s.create)
	api.HandleFunc("DELETE /client/v4/zones/{zone}/dns_records/{record}", s.delete)
	api.HandleFunc("POST /client/v4/zones/{zone}/dns_records/batch", s.batch)
	all := http.NewServeMux()
	all.HandleFunc("POST /lab/fault", func(w http.ResponseWriter, r *http.Request) {
		var f Fault
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.Break(f)
	})
	all.HandleFunc("/client/v4/", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		switch _, known := api.Handler(r); {
		case s.fault.Count > 0:
			s.fault.Count--
			if s.fault.RetryAfter > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(s.fault.RetryAfter))
			}
			refuse(w, s.fault.Status, 10013, "Internal server error")
		case r.Header.Get("Authorization") != "Bearer "+Token:
			refuse(w, http.StatusForbidden, 10000, "Authentication error")
		case known == "", strings.Contains(r.URL.Path, "/zones/") && !strings.Contains(r.URL.Path, "/zones/"+zoneID+"/"):
			refuse(w, http.StatusNotFound, 7003, "Could not route to "+r.URL.Path+", perhaps your object identifier is invalid?")
		default:
			api.ServeHTTP(w, r)
		}
	})
	return all
}

func (s *Server) zones(w http.ResponseWriter, r *http.Request) {
	found := []any{}
	if name := r.URL.Query().Get("name"); name == "" || name == s.conf.Zone {
		found = append(found, map[string]any{
			"id": zoneID, "name": s.conf.Zone, "status": "active", "type": "full", "paused": false, "name_servers": s.conf.Nameservers,
			"account": map[string]string{"id": "01a7362d577a6c3019a474fd6f485823", "name": "lab"},
		})
	}
	page(w, r, found)
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	found := []any{}
	for _, one := range s.records {
		if is(q.Get("name.exact"), one.Name) && is(q.Get("type"), one.Type) && is(q.Get("content.exact"), one.Content) {
			found = append(found, one)
		}
	}
	page(w, r, found)
}

func is(wanted, have string) bool { return wanted == "" || strings.EqualFold(wanted, have) }

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	var one Record
	if err := json.NewDecoder(r.Body).Decode(&one); err != nil {
		refuse(w, http.StatusBadRequest, 9207, "Request body is invalid.")
		return
	}
	made, err := s.change(nil, []Record{one})
	if err != nil {
		err.write(w)
		return
	}
	answer(w, made[0], nil)
}

func (s *Server) delete(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("record")
	if _, err := s.change([]string{id}, nil); err != nil {
		err.write(w)
		return
	}
	answer(w, map[string]string{"id": id}, nil)
}

func (s *Server) batch(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Deletes []struct{ ID string }
		Posts   []Record
		Patches []any
		Puts    []any
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&in); err != nil || len(in.Patches)+len(in.Puts) > 0 {
		refuse(w, http.StatusBadRequest, 9207, "Request body is invalid.")
		return
	}
	var ids []string
	for _, d := range in.Deletes {
		ids = append(ids, d.ID)
	}
	made, err := s.change(ids, in.Posts)
	if err != nil {
		err.write(w)
		return
	}
	answer(w, map[string]any{"deletes": in.Deletes, "posts": made, "patches": []any{}, "puts": []any{}}, nil)
}

// change removes and adds records, all or none, deletes first as the API does.
func (s *Server) change(remove []string, add []Record) ([]Record, *refusal) {
	records := slices.Clone(s.records)
	var gone []Record
	for _, id := range remove {
		i := slices.IndexFunc(records, func(r Record) bool { return r.ID == id })
		if i < 0 {
			return nil, &refusal{http.StatusNotFound, 81044, "Record does not exist."}
		}
		gone = append(gone, records[i])
		records = slices.Delete(records, i, i+1)
	}
	for i := range add {
		one := &add[i]
		one.Name = strings.ToLower(one.Name)
		if err := s.valid(*one, records); err != nil {
			return nil, err
		}
		s.next++
		one.ID = fmt.Sprintf("%032x", s.next)
		records = append(records, *one)
	}
	if s.conf.Apply != nil {
		if err := s.conf.Apply(gone, add); err != nil {
			return nil, &refusal{http.StatusInternalServerError, 1000, err.Error()}
		}
	}
	s.records = records
	return add, nil
}

// valid refuses what the API refuses.
func (s *Server) valid(r Record, have []Record) *refusal {
	ip, err := netip.ParseAddr(r.Content)
	switch {
	case r.Name != s.conf.Zone && !strings.HasSuffix(r.Name, "."+s.conf.Zone):
		return &refusal{http.StatusBadRequest, 9000, "DNS name is invalid."}
	case r.TTL != 1 && (r.TTL < 60 || r.TTL > 86400):
		return &refusal{http.StatusBadRequest, 9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic."}
	case r.Type == "A" && (err != nil || !ip.Is4()):
		return &refusal{http.StatusBadRequest, 9005, "Content for A record must be a valid IPv4 address."}
	case r.Type == "AAAA" && (err != nil || !ip.Is6()):
		return &refusal{http.StatusBadRequest, 9006, "Content for AAAA record must be a valid IPv6 address."}
	case !slices.Contains([]string{"A", "AAAA", "CNAME", "TXT"}, r.Type):
		return &refusal{http.StatusBadRequest, 1004, "DNS Validation Error"}
	}
	for _, other := range have {
		if other.Name != r.Name {
			continue
		}
		if other.Type == r.Type && other.Content == r.Content {
			return &refusal{http.StatusBadRequest, 81058, "An identical record already exists."}
		}
		if r.Type == "CNAME" || other.Type == "CNAME" {
			return &refusal{http.StatusBadRequest, 81053, "An A, AAAA, or CNAME record with that host already exists."}
		}
	}
	return nil
}

type refusal struct {
	status, code int
	message      string
}

func (r *refusal) write(w http.ResponseWriter) { refuse(w, r.status, r.code, r.message) }

func refuse(w http.ResponseWriter, status, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"success": false, "errors": []any{map[string]any{"code": code, "message": message}}, "messages": []any{}, "result": nil,
	})
}

func answer(w http.ResponseWriter, result, info any) {
	body := map[string]any{"success": true, "errors": []any{}, "messages": []any{}, "result": result}
	if info != nil {
		body["result_info"] = info
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

// defaultPage is how many results a page has when the request does not say.
const defaultPage = 100

// page answers with one page of results.
func page(w http.ResponseWriter, r *http.Request, all []any) {
	number, size := 1, defaultPage
	var failed error
	for name, into := range map[string]*int{"page": &number, "per_page": &size} {
		if given := r.URL.Query().Get(name); given != "" {
			n, err := strconv.Atoi(given)
			*into = n
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil || number < 1 || size < 1 {
		refuse(w, http.StatusBadRequest, 9207, "Request is invalid.")
		return
	}
	from := min((number-1)*size, len(all))
	part := all[from:min(from+size, len(all))]
	answer(w, part, map[string]int{
		"page": number, "per_page": size, "count": len(part), "total_count": len(all), "total_pages": (len(all) + size - 1) / size,
	})
}

// Line is the record as a zone file has it.
func (r Record) Line() string {
	content := r.Content
	if r.Type == "CNAME" {
		content += "."
	}
	return fmt.Sprintf("%s. %d IN %s %s", r.Name, r.TTL, r.Type, content)
}

// Add makes a record that is somebody else's.
func (s *Server) Add(r Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.change(nil, []Record{r}); err != nil {
		return errors.New(err.message)
	}
	return nil
}

// Lines are records as a zone file has them.
func Lines(all []Record) []string {
	lines := make([]string, len(all))
	for i, r := range all {
		lines[i] = r.Line()
	}
	return lines
}

// Records are those of the zone.
func (s *Server) Records() []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records)
}

// Remove takes a record away behind everybody's back.
func (s *Server) Remove(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.change([]string{id}, nil); err != nil {
		return errors.New(err.message)
	}
	return nil
}

// Post makes a record that is somebody else's, at the double with a URL such as "http://127.0.0.1:14100".
func Post(ctx context.Context, url string, r Record) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/client/v4/zones/"+zoneID+"/dns_records", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+Token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}
