// Package secret keeps secrets at rest: a ring of keys, envelope encryption under it, and the codec that encrypts what goes into
// workflow histories.
package secret
