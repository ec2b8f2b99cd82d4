//go:build e2e

// Package harness runs the platform as its users do: the built binaries as processes of their own, in one piece or with
// the roles apart, on free ports, in a network namespace and a data folder that belong to one test. It starts, stops and
// kills them, and steers what the lab does wrong on purpose.
package harness
