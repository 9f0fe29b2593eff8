package provider

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// owner says which users Dovecot's processes are of. For an ordinary user all are that user; root's Dovecot
// takes those that Debian's package made, and serves mail as nobody, for it refuses to as root.
type owner struct {
	internal, login, group string
	mailUID, mailGID       int
	root                   bool
}

func findOwner() (owner, error) {
	if os.Geteuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			return owner{}, fmt.Errorf("find the user that mail is served as: %w", err)
		}
		uid, err := strconv.Atoi(nobody.Uid)
		if err != nil {
			return owner{}, fmt.Errorf("user id of nobody: %w", err)
		}
		gid, err := strconv.Atoi(nobody.Gid)
		if err != nil {
			return owner{}, fmt.Errorf("group id of nobody: %w", err)
		}
		return owner{internal: "dovecot", login: "dovenull", group: "dovecot", mailUID: uid, mailGID: gid, root: true}, nil
	}
	me, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err != nil {
		return owner{}, fmt.Errorf("find own user name: %w", err)
	}
	group, err := user.LookupGroupId(strconv.Itoa(os.Getegid()))
	if err != nil {
		return owner{}, fmt.Errorf("find own group name: %w", err)
	}
	return owner{internal: me.Username, login: me.Username, group: group.Name, mailUID: os.Geteuid(), mailGID: os.Getegid()}, nil
}

// give hands a file or folder that we made to who serves mail.
func (o owner) give(name string) error {
	if !o.root {
		return nil
	}
	return os.Chown(name, o.mailUID, o.mailGID)
}
