//go:build unix && !linux

package process

import "syscall"

// attributes put the child into a process group of its own. Only Linux can end it when we are killed.
func attributes(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
