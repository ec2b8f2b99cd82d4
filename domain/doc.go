// Package domain holds the nouns of Berth, their rules, the closed list of error kinds, and the names, IDs and payloads of
// workflows and activities. It imports the standard library only and does no I/O.
package domain
