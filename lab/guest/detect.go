package guest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Detection says which runtime a machine can have.
type Detection struct {
	Kind   string // "lxc" or "simulated"
	Reason string // in words for the person who starts the lab
}

// packages are Debian's packages that bring the tools of the LXC runtime and of the lab's network.
const packages = "lxc iproute2 util-linux busybox-static xz-utils"

// Detect finds out whether this process can run real guests, by trying what they need. There is no runtime in a user
// namespace: without root neither control groups nor a bridge can be had, and LXC would need both delegated.
func Detect(ctx context.Context) Detection {
	simulated := func(reason string) Detection {
		return Detection{Kind: "simulated", Reason: "guests are simulated: " + reason}
	}
	if os.Geteuid() != 0 {
		return simulated("real ones need root, and this process has the user id " + fmt.Sprint(os.Geteuid()))
	}
	for _, name := range tools {
		if _, err := exec.LookPath(name); err != nil {
			return simulated(fmt.Sprintf("the program %s is missing (Debian: apt-get install %s)", name, packages))
		}
	}
	groups, err := findCgroups("/sys/fs/cgroup")
	if err != nil {
		return simulated(err.Error())
	}
	// In a namespace of its own, which is gone with the last command.
	trial := exec.CommandContext(ctx, "unshare", "--net", "--mount", "--propagation", "slave", "sh", "-ec", `
		ip link add trial type bridge
		ip link add trial0 master trial type veth peer name trial1
		mount -t sysfs sysfs /sys
		unshare --user --map-root-user true`)
	if out, err := trial.CombinedOutput(); err != nil {
		return simulated(fmt.Sprintf("the kernel refuses namespaces, bridges or mounts: %s", strings.TrimSpace(string(out))))
	}
	version := "v1"
	if groups.v2 {
		version = "v2"
	}
	return Detection{Kind: "lxc", Reason: "guests are real: LXC as root, cgroup " + version}
}
