package pve

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// operation is one method of the API.
type operation struct {
	method  string
	path    string // with {parameters}; {name...} takes the rest of the path
	name    string // stable name for faults
	params  rules  // including those in the path
	perm    permission
	ticket  bool // refused to API tokens
	proxied bool // answered by {node}
	upload  bool // takes a file as multipart/form-data
	run     func(c *Cluster, k *call) (answer, error)
}

// router finds operations by method and path.
type router struct{ operations []operation }

func (r *router) find(method string, segments []string) (*operation, params) {
	for i := range r.operations {
		op := &r.operations[i]
		if op.method != method {
			continue
		}
		if inPath, ok := matchPath(op.path, segments); ok {
			return op, inPath
		}
	}
	return nil, nil
}

func matchPath(pattern string, segments []string) (params, bool) {
	wanted := strings.FieldsFunc(pattern, func(r rune) bool { return r == '/' })
	inPath := params{}
	for i, w := range wanted {
		name, isParam := strings.CutPrefix(w, "{")
		if isParam && strings.HasSuffix(name, "...}") {
			if i >= len(segments) {
				return nil, false
			}
			inPath.set(strings.TrimSuffix(name, "...}"), strings.Join(segments[i:], "/"))
			return inPath, true
		}
		switch {
		case i >= len(segments):
			return nil, false
		case isParam:
			inPath.set(strings.TrimSuffix(name, "}"), segments[i])
		case w != segments[i]:
			return nil, false
		}
	}
	return inPath, len(wanted) == len(segments)
}

// dispatch runs an operation: path parameters, token check, permission, forwarding to the node, parameter rules, code.
func (c *Cluster) dispatch(k *call, inPath params) (answer, error) {
	k.given = make(params, len(k.params))
	for name, v := range k.params {
		k.given[name] = v
	}
	for _, name := range inPath.names() {
		if v, twice := k.params[name]; twice && v.text != inPath.get(name) {
			return answer{}, paramError(name, "duplicate parameter (already defined in URI) with conflicting values!")
		}
		k.params[name] = inPath[name]
	}
	if k.op.ticket && k.auth.token != "" {
		return answer{}, denied("URI '" + k.path + "' not available with API token, need proper ticket.\n")
	}
	if err := k.op.perm(c, k); err != nil {
		return answer{}, err
	}
	k.node = k.params.get("node")
	if k.op.proxied || k.op.upload {
		if err := c.forward(k); err != nil {
			return answer{}, err
		}
	}
	if err := c.applyFaults(k); err != nil {
		return answer{}, err
	}
	if errs := k.op.params.check(k.params); errs != nil {
		return answer{}, paramErrors(errs)
	}
	a, err := k.op.run(c, k)
	if c.dropsAnswer(k) {
		return answer{}, errDropped
	}
	return a, err
}

// forward does what the entry node does to reach the node that a call is about.
func (c *Cluster) forward(k *call) error {
	if k.node == "localhost" {
		k.node = k.entry
	}
	if c.nodeNamed(k.node) == nil {
		return die("hostname lookup '%s' failed - failed to get address info for: %s: Name or service not known",
			k.node, k.node)
	}
	if k.node != k.entry && !c.isOnline(k.node) {
		wait(k.ctx, c.timings.ProxyFail)
		return unreachable("No route to host")
	}
	return nil
}

// unreachable is what a node answers for another one that it cannot reach.
func unreachable(reason string) *apiError { return &apiError{status: 595, message: reason, bare: true} }

// vmid returns the call's VMID; 0 when it has none.
func (k *call) vmid() int {
	n, err := strconv.Atoi(k.params.get("vmid"))
	if err != nil {
		return 0
	}
	return n
}

// get, post, put and del declare operations.
func get(path, name string) operation {
	return operation{method: http.MethodGet, path: path, name: name}
}

func post(path, name string) operation {
	return operation{method: http.MethodPost, path: path, name: name}
}

func put(path, name string) operation {
	return operation{method: http.MethodPut, path: path, name: name}
}

func del(path, name string) operation {
	return operation{method: http.MethodDelete, path: path, name: name}
}

func (o operation) takes(rs ...rule) operation    { o.params = append(o.params, rs...); return o }
func (o operation) allows(p permission) operation { o.perm = p; return o }
func (o operation) byTicket() operation           { o.ticket = true; return o }
func (o operation) asUpload() operation           { o.upload = true; return o }
func (o operation) onNode() operation {
	o.proxied = true
	o.params = append(rules{str("node").must().as(nodeFormat)}, o.params...)
	return o
}

// onGuest is onNode with a VMID.
func (o operation) onGuest() operation {
	o = o.onNode()
	o.params = append(rules{vmidRule("vmid").must()}, o.params...)
	return o
}

func (o operation) runs(f func(c *Cluster, k *call) (answer, error)) operation { o.run = f; return o }

// lists is for paths that only tell what is below them.
func (o operation) lists(key string, names ...string) operation {
	rows := make([]any, len(names))
	for i, name := range names {
		rows[i] = map[string]any{key: name}
	}
	return o.runs(func(*Cluster, *call) (answer, error) { return answer{data: rows}, nil })
}

func vmidRule(name string) rule {
	return integer(name).as(vmidFormat).atLeast(100).atMost(999999999)
}

func storageRule(name string) rule { return str(name).as(storageFormat) }

// asError turns any error into one that can be answered.
func asError(err error) *apiError {
	var e *apiError
	if errors.As(err, &e) {
		return e
	}
	return die("%s", err)
}
