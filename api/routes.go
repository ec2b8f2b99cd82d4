package api

import (
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/gin-gonic/gin"
)

// route is an operation of the contract as kin-openapi's validator wants it. Gin has already found it by its path, so no
// second router is needed.
type route = routers.Route

// routesOf indexes the contract's operations by method and Gin's way to write their path.
func routesOf(contract *openapi3.T) map[string]*route {
	routes := map[string]*route{}
	for path, item := range contract.Paths.Map() {
		for method, operation := range item.Operations() {
			routes[method+" "+ginPath(path)] = &route{
				Spec: contract, Path: path, PathItem: item, Method: method, Operation: operation,
			}
		}
	}
	return routes
}

// ginPath turns "/a/{b}" into "/a/:b".
func ginPath(path string) string {
	return strings.ReplaceAll(strings.ReplaceAll(path, "{", ":"), "}", "")
}

// public reports whether the contract opens an operation to callers without a token.
func public(o *openapi3.Operation) bool { return o.Security != nil && len(*o.Security) == 0 }

// defaultTimeout is how long an operation may take that only reads and writes SQL.
const defaultTimeout = 30 * time.Second

// timeouts are those of operations that wait for somebody else.
var timeouts = map[string]time.Duration{
	"getEdgeSnapshot":   75 * time.Second, // waits up to 60 s for a change
	"reconcile":         10 * time.Minute, // walks over every node and edge
	"createCluster":     2 * time.Minute,  // checks every node, with failover between endpoints
	"createNode":        2 * time.Minute,
	"checkNode":         2 * time.Minute,
	"releaseQuarantine": 2 * time.Minute, // asks the node
	"inspectImage":      time.Minute,     // asks a registry
}

func timeoutOf(r *route) time.Duration {
	if r != nil {
		if t, ok := timeouts[r.Operation.OperationID]; ok {
			return t
		}
	}
	return defaultTimeout
}

// wantsStream reports whether the caller asks for server-sent events where there are some.
func wantsStream(c *gin.Context) bool {
	return strings.HasSuffix(c.FullPath(), "/events") && strings.Contains(c.GetHeader("Accept"), "text/event-stream")
}
