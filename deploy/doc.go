// Package deploy holds no code: the files that install Berth live here, and tests that read them as their users do.
package deploy
