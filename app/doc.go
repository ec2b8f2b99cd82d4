// Package app holds the use cases of Berth, one file per noun. Each authorises its actor, validates what was asked, acts in
// one transaction of the store, starts the workflow once that is committed, and leaves a line in the audit trail, also when
// it refuses. The API, the web pages and the LDAP gateway go through it and through nothing else.
package app
