// Package storetest opens migrated stores on real databases for the tests of any package: a SQLite file, and Debian's PostgreSQL
// and MariaDB, each started once per test binary on loopback and stopped with it.
package storetest
