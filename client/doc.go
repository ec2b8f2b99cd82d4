// Package client speaks Berth's HTTP API. [Raw] and the types are generated from the contract, api/openapi.yaml; [Client]
// adds authentication, problems as errors, and following an operation to its end.
package client

//go:generate oapi-codegen -config oapi-codegen.yaml ../api/openapi.yaml
