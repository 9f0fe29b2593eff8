package provider

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// AddUser makes a user with an empty mailbox, or gives one that there is another password. It returns when
// the server lets the user in by it.
func (p *Provider) AddUser(ctx context.Context, user, password string) error {
	if user == "" || password == "" || strings.ContainsAny(user+password, ":\r\n\x00{}") || strings.ContainsAny(user, " /") || user[0] == '.' {
		return fmt.Errorf("add user %q: name or password is empty, or holds what the file of users can't", user)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	box := p.maildir(user)
	for _, dir := range []string{filepath.Dir(box), box, filepath.Join(box, "cur"), filepath.Join(box, "new"), filepath.Join(box, "tmp")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("add user %q: %w", user, err)
		}
		if err := p.owner.give(dir); err != nil {
			return fmt.Errorf("add user %q: %w", user, err)
		}
	}
	if err := p.writeUser(user, password); err != nil {
		return fmt.Errorf("add user %q: %w", user, err)
	}
	if p.process == nil {
		return nil
	}
	if err := p.waitLogin(ctx, user, password); err != nil {
		return fmt.Errorf("add user %q: %w", user, err)
	}
	return nil
}

// home is a user's folder; users' names may hold what a file's name may not.
func (p *Provider) home(user string) string {
	return p.path("mail/" + hex.EncodeToString([]byte(user)))
}

func (p *Provider) maildir(user string) string { return filepath.Join(p.home(user), "Maildir") }

// writeUser writes a user's entry, a file of its own, in one step. Dovecot reads one again when its time or size
// changed, and counts time in seconds: each file is given a later one.
func (p *Provider) writeUser(user, password string) error {
	entry := fmt.Sprintf("%s:{PLAIN}%s:%d:%d::%s::\n", user, password, p.owner.mailUID, p.owner.mailGID, p.home(user))
	part := p.path("users.part")
	// Dovecot's own users read it; the passwords are for tests.
	if err := errors.Join(os.WriteFile(part, []byte(entry), 0o644), os.Chmod(part, 0o644)); err != nil {
		return err
	}
	p.written++
	stamp := time.Unix(1_000_000_000+p.written, 0)
	return errors.Join(os.Chtimes(part, stamp, stamp), os.Rename(part, p.path("users/"+user)))
}

// loginTimeout: Dovecot looks once a second at most whether a user's file changed.
const loginTimeout = 10 * time.Second

// waitLogin returns when the server accepts a login.
func (p *Provider) waitLogin(ctx context.Context, user, password string) error {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	ticker := time.NewTicker(10 * look)
	defer ticker.Stop()
	for {
		err := p.login(ctx, user, password)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-ticker.C:
		}
	}
}

func (p *Provider) login(ctx context.Context, user, password string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", p.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })()
	answers := bufio.NewReader(c)
	for _, command := range []string{"", "USER " + user + "\r\n", "PASS " + password + "\r\n", "QUIT\r\n"} {
		if _, err := c.Write([]byte(command)); err != nil {
			return err
		}
		line, err := answers.ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, "+OK") {
			return fmt.Errorf("the server answered %q", strings.TrimSpace(line))
		}
	}
	return nil
}
