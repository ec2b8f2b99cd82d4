// Package api serves the HTTP API of Berth. The contract is openapi.yaml: types, routes and the decoding of requests are
// generated from it, requests are validated against it, and one file per resource translates between its types and the use
// cases of package app. Nothing here decides anything.
package api

//go:generate oapi-codegen -config oapi-codegen.yaml openapi.yaml
