// Package templates turns a domain.Snapshot into the configuration files of the programs that serve a site. Its functions
// are pure: the same snapshot gives the same files, byte for byte, whatever the clock, the host or the order of maps.
package templates
