package guest

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"berth/domain"
)

// rtmin is the first real-time signal that programs can use: glibc keeps 32 and 33 to itself.
const rtmin = 34

// parseSignal understands the forms that image builders write: "SIGTERM", "TERM", "15", "SIGRTMIN+3".
func parseSignal(text string) (unix.Signal, error) {
	name := strings.ToUpper(text)
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n <= 64 {
		return unix.Signal(n), nil
	}
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if offset, ok := strings.CutPrefix(name, "SIGRTMIN"); ok {
		n, err := strconv.Atoi("0" + strings.TrimPrefix(offset, "+"))
		if err == nil && n <= 64-rtmin {
			return rtmin + unix.Signal(n), nil
		}
	}
	if s := unix.SignalNum(name); s != 0 {
		return s, nil
	}
	return 0, domain.Errorf(domain.Invalid, "%q is no signal", text)
}
