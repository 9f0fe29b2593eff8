package provider

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fill delivers messages to a user, in this order. Each ends in CRLF and has no other line ends, for POP3 can
// carry nothing else; then the server gives back just these octets.
func (p *Provider) Fill(user string, messages [][]byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := os.Stat(p.maildir(user)); err != nil {
		return fmt.Errorf("deliver to %q, whom nobody has added: %w", user, err)
	}
	for i, message := range messages {
		if err := p.deliver(user, message); err != nil {
			return fmt.Errorf("deliver message %d to %q: %w", i+1, user, err)
		}
	}
	return nil
}

// deliver puts one message into a maildir as it is: of a file with CRLF Dovecot changes nothing when it
// serves it, whereas LF would cost a CR that stands before a CRLF.
func (p *Provider) deliver(user string, message []byte) error {
	if !bytes.HasSuffix(message, []byte("\r\n")) || bytes.Count(message, []byte("\n")) != bytes.Count(message, []byte("\r\n")) {
		return errors.New("a line doesn't end in CRLF")
	}
	p.serial = max(p.serial+1, time.Now().UnixMicro())
	// Mails are sorted by the number in front, a time. S= and W= are the size as a file and as
	// POP3 sends it (Maildir++): Dovecot needn't count.
	name := fmt.Sprintf("%d.postroom,S=%d,W=%d", p.serial, len(message), len(message))
	part := filepath.Join(p.maildir(user), "tmp", name)
	if err := os.WriteFile(part, message, 0o600); err != nil {
		return err
	}
	return errors.Join(p.owner.give(part), os.Rename(part, filepath.Join(p.maildir(user), "new", name)))
}

// List gives what a user's mailbox still holds, in the order of delivery.
func (p *Provider) List(user string) ([][]byte, error) {
	files, err := p.files(user)
	if err != nil {
		return nil, err
	}
	var messages [][]byte
	for _, name := range files {
		message, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			// Read by a session meanwhile (new to cur), or deleted: look again at all.
			return p.List(user)
		}
		if err != nil {
			return nil, fmt.Errorf("list mailbox of %q: %w", user, err)
		}
		messages = append(messages, message)
	}
	return messages, nil
}

// Count is how many messages a user's mailbox still holds.
func (p *Provider) Count(user string) (int, error) {
	files, err := p.files(user)
	return len(files), err
}

// Empty tells whether a user's mailbox holds nothing, at the cost of a look.
func (p *Provider) Empty(user string) (bool, error) {
	for _, folder := range []string{"new", "cur", "new"} { // a mail may go from new to cur meanwhile
		dir, err := os.Open(filepath.Join(p.maildir(user), folder))
		if err != nil {
			return false, fmt.Errorf("look into mailbox of %q: %w", user, err)
		}
		_, err = dir.Readdirnames(1)
		if err := errors.Join(dir.Close(), notEnd(err)); err != nil {
			return false, fmt.Errorf("look into mailbox of %q: %w", user, err)
		}
		if err == nil {
			return false, nil
		}
	}
	return true, nil
}

func notEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// files gives the names of a mailbox's files. A mail that goes from new to cur meanwhile is in one of them:
// cur is read last, and the same mail counts once.
func (p *Provider) files(user string) ([]string, error) {
	found := make(map[int64]string)
	for _, folder := range []string{"new", "cur"} {
		dir := filepath.Join(p.maildir(user), folder)
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("list mailbox of %q: %w", user, err)
		}
		for _, e := range entries {
			number, _, _ := strings.Cut(e.Name(), ".")
			n, err := strconv.ParseInt(number, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("list mailbox of %q: file %q is no mail", user, e.Name())
			}
			found[n] = filepath.Join(dir, e.Name())
		}
	}
	type file struct {
		number int64
		name   string
	}
	var files []file
	for number, name := range found {
		files = append(files, file{number, name})
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.number, b.number) })
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.name
	}
	return names, nil
}
