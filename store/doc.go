// Package store keeps everything Berth knows in SQL: on SQLite, PostgreSQL or MariaDB, with the same behaviour and the same error
// kinds on each. Every method of [Store] works on its own and inside [Store.Transact]. Methods that change what other processes
// must notice append to the table of changes in the same transaction.
package store
