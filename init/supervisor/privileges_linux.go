package supervisor

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dropBounding empties the capability bounding set, and the ambient set, of this thread: nothing that it executes gets
// a capability again, root or not. Who may not do so (an unprivileged user) has none to lose, unless it must.
func dropBounding(must bool) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var held [2]unix.CapUserData // 64 capabilities
	if err := unix.Capget(&header, &held[0]); err != nil {
		return fmt.Errorf("read the capabilities: %w", err)
	}
	if held[unix.CAP_SETPCAP/32].Effective&(1<<(unix.CAP_SETPCAP%32)) == 0 && !must {
		return nil
	}
	for c := uintptr(0); ; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err == unix.EINVAL && c > 0 {
			return nil // the kernel knows no more
		} else if err != nil {
			return fmt.Errorf("drop capability %d from the bounding set: %w", c, err)
		}
	}
}

// dropCapabilities gives up all that this thread holds or could hand on.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear the ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop the capabilities: %w", err)
	}
	return nil
}

// switchUser changes this thread alone. The functions of package syscall change all threads, and would
// take the parent-death signal from the one that has it.
func switchUser(uid, gid int, groups []int) error {
	list := make([]uint32, len(groups), len(groups)+1) // with room: its address is valid when it is empty
	for i, group := range groups {
		list[i] = uint32(group)
	}
	first := unsafe.Pointer(unsafe.SliceData(list))
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(list)), uintptr(first), 0); errno != 0 {
		return fmt.Errorf("set the groups to %v: %w", groups, errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)); errno != 0 {
		return fmt.Errorf("switch to gid %d: %w", gid, errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
		return fmt.Errorf("switch to uid %d: %w", uid, errno)
	}
	return nil
}
