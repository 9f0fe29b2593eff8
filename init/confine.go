package pid1

import (
	"fmt"
	"slices"

	"postroom/init/supervisor"
)

// Users of the appliance. A service's group has the same number.
var users = map[string]int{"store": 100, "pop3": 101, "fetcher": 102, "validator": 103, "smtp": 104, "console": 105}

// bodiesGroup may read the store's segments.
const bodiesGroup = 110

// Folders and files that services get.
const (
	socketFolder  = runFolder + "/postroom"
	keyFolder     = runFolder + "/key"
	consoleFolder = runFolder + "/console"
	storeFolder   = dataPoint + "/store"
	bodiesFolder  = storeFolder + "/bodies"
	logFolder     = dataPoint + "/log"

	keyFile        = keyFolder + "/machine.key"
	clientKeysFile = consoleFolder + "/client-keys.pem"
)

// A cell is what a service may do, beside what all may: nothing.
type cell struct {
	groups  []int
	folders supervisor.Folders
	umask   int
	memory  uint64 // at most this percentage of the machine's
}

var cells = map[string]cell{
	"store": {
		groups:  []int{bodiesGroup}, // to give its segments to that group
		folders: supervisor.Folders{Read: []string{keyFolder}, Write: []string{storeFolder}},
		umask:   0o027,
		memory:  50,
	},
	"pop3":      {groups: []int{bodiesGroup}, folders: supervisor.Folders{Read: []string{bodiesFolder}}, umask: 0o077, memory: 40},
	"fetcher":   {folders: supervisor.Folders{Read: []string{"/etc"}}, umask: 0o077, memory: 40}, // names, root certificates
	"validator": {groups: []int{bodiesGroup}, folders: supervisor.Folders{Read: []string{bodiesFolder}}, umask: 0o077, memory: 50},
	// Names, root certificates; bodies to send.
	"smtp":    {groups: []int{bodiesGroup}, folders: supervisor.Folders{Read: []string{"/etc", bodiesFolder}}, umask: 0o077, memory: 40},
	"console": {folders: supervisor.Folders{Read: []string{consoleFolder}}, umask: 0o077, memory: 25},
}

// maxTasks is the most threads of a service.
const maxTasks = 256

// confine gives a service its user, limits and folders; total is the machine's memory, octets.
func confine(s *supervisor.Service, total uint64) {
	c, ok := cells[s.Name]
	if !ok {
		// It gets a user that nothing belongs to: to run it as root would be worse than not at all.
		c = cell{umask: 0o077, memory: 10}
	}
	s.UID, s.Groups, s.Umask = userOf(s.Name), c.groups, c.umask
	s.GID = s.UID
	s.Folders = &supervisor.Folders{Read: slices.Clone(c.folders.Read), Write: slices.Clone(c.folders.Write)}
	s.Memory, s.Tasks = total/100*c.memory, maxTasks
	// Go collects harder when it comes near to its limit; what is above is for stacks and the page cache.
	s.Env = append(slices.Clone(s.Env), fmt.Sprintf("GOMEMLIMIT=%d", s.Memory/10*7))
}

// userOf gives the user id for a service or a kind of caller; nobody's where there is none.
func userOf(name string) int {
	if uid, ok := users[name]; ok {
		return uid
	}
	return 65534
}

// socketOwner gives the user id that the store's socket for a kind of caller belongs to: the service's of that name,
// or root's, who owns the machine.
func socketOwner(caller string) int {
	if uid, ok := users[caller]; ok {
		return uid
	}
	return 0
}
