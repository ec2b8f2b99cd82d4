package pve

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// controlPrefix is where the lab is steered, on the same server as the API. It needs no credentials and answers
// clients on loopback alone:
//
//	GET    /berth-lab/faults         list of Fault
//	POST   /berth-lab/faults         a Fault; answers {"id": n}
//	DELETE /berth-lab/faults[/ID]    one, or all
//	GET    /berth-lab/nodes          {"name": online}
//	PUT    /berth-lab/nodes/NAME     {"online": bool}
//	PUT    /berth-lab/quorum         {"quorate": bool or null}; null lets the majority of the nodes decide
const controlPrefix = "/berth-lab/"

func (c *Cluster) serveControl(w http.ResponseWriter, r *http.Request) {
	if !fromLoopback(r) {
		http.Error(w, "the lab is steered from its own host only", http.StatusForbidden)
		return
	}
	what, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, controlPrefix), "/")
	data, err := c.control(r, what, id)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case errors.Is(err, errNoControl):
		w.WriteHeader(http.StatusNotFound)
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
	}
	if err != nil {
		data = map[string]any{"error": err.Error()}
	}
	_, _ = w.Write(encode(data)) // a client that is gone has lost its answer
}

var errNoControl = errors.New("there is no such control")

func (c *Cluster) control(r *http.Request, what, id string) (any, error) {
	switch r.Method + " " + what {
	case "GET faults":
		return c.Faults(), nil
	case "POST faults":
		var f Fault
		if err := readControl(r, &f); err != nil {
			return nil, err
		}
		added, err := c.AddFault(f)
		return map[string]any{"id": added}, err
	case "DELETE faults":
		n := 0
		if id != "" {
			var err error
			if n, err = strconv.Atoi(id); err != nil || n < 1 {
				return nil, errNoControl
			}
		}
		if !c.RemoveFault(n) && n != 0 {
			return nil, errNoControl
		}
		return map[string]any{}, nil
	case "GET nodes":
		online := map[string]bool{}
		for _, n := range c.nodes {
			online[n.Name] = c.isOnline(n.Name)
		}
		return online, nil
	case "PUT nodes":
		var wish struct {
			Online bool `json:"online"`
		}
		if err := readControl(r, &wish); err != nil {
			return nil, err
		}
		if c.nodeNamed(id) == nil {
			return nil, errNoControl
		}
		return map[string]any{}, c.SetNodeOnline(r.Context(), id, wish.Online)
	case "PUT quorum":
		var wish struct {
			Quorate *bool `json:"quorate"`
		}
		if err := readControl(r, &wish); err != nil {
			return nil, err
		}
		c.SetQuorum(wish.Quorate)
		return map[string]any{}, nil
	}
	return nil, errNoControl
}

func readControl(r *http.Request, into any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
