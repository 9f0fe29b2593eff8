// Package pid1 is the first process of the appliance: it makes a running machine of a kernel (mounts, modules, the
// data partition, network, clock, watchdog), and runs the services on it as on any other (package manager). What a
// service doesn't need it doesn't wait for.
package pid1

import (
	"fmt"
	"os"
	"time"
)

// Main runs the machine. It returns only where it must not run.
func Main([]string) int {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "init: is for the kernel to start, as the first process")
		return 2
	}
	a := newAppliance(time.Now())
	order := a.run()
	a.shutDown(order)
	return 1
}
