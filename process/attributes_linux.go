package process

import "syscall"

// attributes put the child into a process group of its own and have the kernel end it when we die without stopping it.
func attributes(death syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
}
