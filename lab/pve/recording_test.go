package pve

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"
)

// recording is one request to a real node and its answer.
type recording struct {
	ID      string `json:"id"`
	Request struct {
		Method  string      `json:"method"`
		Target  string      `json:"target"`
		Headers [][2]string `json:"headers"`
		Body    string      `json:"body"`
	} `json:"request"`
	Response struct {
		StatusLine string      `json:"status_line"`
		Headers    [][2]string `json:"headers"`
		Body       string      `json:"body_raw"`
		Encoding   string      `json:"body_encoding"`
	} `json:"response"`
	number int
}

func (r *recording) status() int {
	fields := strings.Fields(r.Response.StatusLine)
	if len(fields) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(fields[1])
	return n
}

func (r *recording) reason() string {
	_, rest, _ := strings.Cut(r.Response.StatusLine, " ")
	_, reason, _ := strings.Cut(rest, " ")
	return reason
}

func header(list [][2]string, name string) string {
	for _, h := range list {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

// body is the parsed answer; nil when it is not a JSON object.
func (r *recording) body() map[string]any {
	var out map[string]any
	if json.Unmarshal([]byte(r.Response.Body), &out) != nil {
		return nil
	}
	return out
}

// upid is the task that the answer names.
func (r *recording) upid() string {
	s, _ := r.body()["data"].(string)
	if upidPattern.MatchString(s) {
		return s
	}
	return ""
}

func (r *recording) time() time.Time {
	at, err := time.Parse(time.RFC1123, header(r.Response.Headers, "Date"))
	if err != nil {
		return time.Now()
	}
	return at
}

// machineOnly are recordings of a fault of the machine they were made on, by number.
var machineOnly = map[int]bool{598: true, 933: true}

var idNumber = regexp.MustCompile(`^\d+`)

// loadRecordings reads a folder, in the order of the numbers.
func loadRecordings(t *testing.T, folder string) []*recording {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*recording
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := &recording{}
		if err := json.Unmarshal(raw, r); err != nil || r.Response.StatusLine == "" || r.Response.StatusLine[:4] != "HTTP" {
			continue // races and websockets are raw text, not one request and its answer
		}
		if r.ID == "" {
			r.ID = strings.TrimSuffix(filepath.Base(file), ".json")
		}
		r.number, _ = strconv.Atoi(idNumber.FindString(r.ID))
		if !machineOnly[r.number] {
			out = append(out, r)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].number < out[j].number })
	return out
}

// sections cuts recordings where one scenario ends and the next begins.
func sections(all []*recording) [][]*recording {
	starts := []int{120, 230, 360, 660, 710, 800, 930, 950, 960, 1 << 30}
	var out [][]*recording
	var current []*recording
	next := 0
	for _, r := range all {
		for r.number >= starts[next] {
			next++
			if current != nil {
				out = append(out, current)
			}
			current = nil
		}
		current = append(current, r)
	}
	if current != nil {
		out = append(out, current)
	}
	return out
}
