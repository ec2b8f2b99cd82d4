// Package pve simulates the REST API of a Proxmox VE 9.2 cluster: its HTTP manners, parameter rules, authentication,
// permissions, tasks, locks and refusals. Guests run on a guest.Runtime, templates come through a Puller, and every call
// can be made to misbehave by a Fault.
//
// A request passes through the files in this order: http.go (wire), auth.go (who), router.go (which operation),
// permissions.go (may they), schema.go (parameters), faults.go (misbehaviour), then the file of the noun.
package pve
