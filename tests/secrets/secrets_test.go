// Package secrets polls with marked passwords and searches everything that is written for them.
package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/tests/hosted"
	"postroom/tools/provider"
)

// The passwords, each used in its own way. All hold the mark, which nothing else does.
const (
	mark = "tr0ub4dor&MARKED"

	first     = mark + " first"     // enrols the account
	wrong     = mark + " wrong"     // is refused by the provider
	changed   = mark + " changed"   // replaces the first
	unasked   = mark + " unasked"   // comes while the provider is away
	unallowed = mark + " unallowed" // comes for a provider that the rule refuses
	plain     = mark + " plain"     // comes without TLS
	stray     = mark + " stray"     // comes where no password belongs
	local     = mark + " local"     // is a local user's
	another   = mark + " another"   // replaces that
)

// No password is in a log, in a file of the data folder, or in what a command says; in the log not even at its
// most talkative, which holds the dialogues with clients and providers.
func TestNoPasswordIsWrittenInTheClear(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	mail := []byte("Subject: found\r\n\r\nwhat a search finds\r\n")
	for _, user := range []string{hosted.WebUser, hosted.GMXUser} {
		if err := errors.Join(p.AddUser(t.Context(), user, first), p.Fill(user, [][]byte{mail})); err != nil {
			t.Fatal(err)
		}
	}
	box := hosted.StartIn(t, hosted.Folder(t), hosted.Settings(p), "--log-level", "DEBUG")
	var said strings.Builder // by commands and in replies
	command := func(args ...string) {
		t.Helper()
		out, errs, status := box.Command(args...)
		if status != 0 {
			t.Errorf("%q: exit status %d, %s", args, status, errs)
		}
		said.WriteString(out + errs)
	}
	ask := func() {
		t.Helper()
		for _, args := range [][]string{
			{"status"}, {"status", "--json"}, {"account", "list"}, {"account", "list", "--json"}, {"settings", "show"}, {"store", "check"},
			{"account", "show", hosted.WebName}, {"account", "show", hosted.WebName, "--json"}, {"account", "export", hosted.WebName},
		} {
			command(args...)
		}
	}

	polls(t, box, &said, p)
	for _, args := range [][]string{{local, "add", "anna"}, {another, "add", "anna"}, {another, "password", "anna"}, {another, "password", "nobody"}} {
		out, errs, _ := box.CommandWith(args[0]+"\n", append([]string{"user"}, args[1:]...)...)
		said.WriteString(out + errs)
	}
	command("user", "show", "anna")
	command("user", "list", "--json")
	ask()
	for _, s := range box.Status().Accounts { // else nothing was searched
		if s.State != "active" {
			t.Errorf("account %s is %s", s.Account, s.State)
		}
	}
	proofs := []string{"PASS [secret]", "login accepted", "login refused", "command=PASS"}
	search(t, box, said.String(), proofs...)

	box.Down() // the index is closed, and a checkpoint of it made
	out := filepath.Join(box.Dir, "salvaged")
	command("store", "salvage", filepath.Join(box.Data(), "store"), "--output", out)
	search(t, box, said.String(), proofs...)
}

// polls logs in with every password, and tells what was answered.
func polls(t *testing.T, box *hosted.Box, said *strings.Builder, p *provider.Provider) {
	t.Helper()
	log := func(err error) {
		if err != nil {
			said.WriteString(err.Error() + "\n")
		}
	}
	in := func(name, password string) {
		t.Helper()
		if _, err := box.Poll(name, password); err != nil {
			t.Fatalf("poll %s: %v", name, err)
		}
	}
	refused := func(name, password string) {
		t.Helper()
		_, err := box.Poll(name, password)
		if !errors.Is(err, hosted.ErrRefused) {
			t.Fatalf("poll %s: %v, want a refusal", name, err)
		}
		log(err)
	}
	in(hosted.WebName, first)
	in(hosted.GMXName, first)
	box.Until("mail", hosted.Waiting(hosted.WebName, 1))
	refused(hosted.WebName, wrong)
	refused(hosted.WebName, wrong) // from memory
	refused("a@127.0.0.1", unallowed)
	for _, user := range []string{hosted.WebUser, hosted.GMXUser} {
		if err := p.AddUser(t.Context(), user, changed); err != nil {
			t.Fatal(err)
		}
	}
	if out, errs, status := box.Command("account", "fetch", hosted.WebName); status != 0 {
		t.Fatalf("account fetch: %s%s", out, errs)
	}
	box.Until("the refusal of the kept password", func(s *contract.GetStatusResponse) bool {
		for _, a := range s.Accounts {
			if a.Account == hosted.WebName && a.State == "refused" {
				said.WriteString(a.ProviderText + "\n")
				return true
			}
		}
		return false
	})
	for _, user := range []string{hosted.WebUser, hosted.GMXUser} {
		if err := p.Fill(user, [][]byte{[]byte("Subject: more\r\n\r\nfetched with the changed password\r\n")}); err != nil {
			t.Fatal(err)
		}
	}
	in(hosted.WebName, changed)
	in(hosted.GMXName, changed)
	// A provider that goes down refuses logins on its way: let those behind the polls be through.
	box.Until("the mail behind the changed password", func(s *contract.GetStatusResponse) bool {
		return hosted.Waiting(hosted.WebName, 1)(s) && hosted.Waiting(hosted.GMXName, 1)(s)
	})
	if err := p.Down(); err != nil {
		t.Fatal(err)
	}
	refused(hosted.WebName, unasked)

	encoded := base64.StdEncoding.EncodeToString([]byte("\x00" + hosted.WebName + "\x00" + stray))
	for _, dialogue := range [][]string{
		{"PASS " + plain},
		{"USER " + hosted.WebName, "PASS " + plain}, // refused at USER; many clients send both at once
		{stray},
		{"AUTH PLAIN " + encoded}, // RFC 4616 §2, before any word that it may
		{"PASS" + strings.Repeat(" ", 300) + stray},
		{"QUIT " + stray},
	} {
		s, err := box.Dial("pop3.listen")
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range dialogue {
			s.Command("%s", line)
			log(s.Err())
		}
		if err := s.Err(); err == nil {
			t.Errorf("%q in the clear is answered by +OK", dialogue)
		}
		s.Close()
	}
	s, err := box.Dial("pop3.listen_tls")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Command("AUTH PLAIN %s", encoded) // which has to be tried at the provider
	if !errors.Is(s.Err(), hosted.ErrRefused) {
		t.Errorf("AUTH PLAIN: %v, want a refusal", s.Err())
	}
	log(s.Err())
}

// search looks for the mark, as it stands and encoded. The proofs stand in a log that is whole.
func search(t *testing.T, box *hosted.Box, said string, proofs ...string) {
	t.Helper()
	needles := encodings(mark)
	clean := func(where, text string) {
		t.Helper()
		for form, needle := range needles {
			if at := strings.Index(text, needle); at >= 0 {
				t.Errorf("%s holds a password, %s: …%.120q…", where, form, text[max(0, at-40):])
			}
		}
	}
	clean("an answer", said)
	clean("the log", box.Log())
	for _, proof := range proofs {
		if !strings.Contains(box.Log(), proof) {
			t.Errorf("the log doesn't hold %q: is it the whole dialogue?", proof)
		}
	}
	account, found := []byte("a search finds"), false // the same search finds mail
	err := filepath.WalkDir(box.Dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a file of the running box that was replaced meanwhile
		}
		found = found || bytes.Contains(text, account)
		clean(name, string(text))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if !found {
		t.Error("not even mail was found in the data folder")
	}
}

// encodings gives a text as it may stand in files. Base64 of what is around it has three forms, by where it begins.
func encodings(text string) map[string]string {
	forms := map[string]string{
		"as it stands": text,
		"in hex":       hex.EncodeToString([]byte(text)),
		"in JSON":      strings.ReplaceAll(text, "&", `\u0026`),
	}
	for before := range 3 {
		whole := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), text...))
		// Without the characters at the ends that hold bits of what is around.
		forms[fmt.Sprintf("in base64 behind %d octets", before)] = whole[(before*8+5)/6 : (before+len(text))*8/6]
	}
	return forms
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	for before := range 6 {
		text := base64.StdEncoding.EncodeToString([]byte("\x00user\x00"[:before] + stray))
		found := false
		for _, needle := range encodings(mark) {
			found = found || strings.Contains(text, needle)
		}
		if !found {
			t.Errorf("%q is not found in %s", mark, text)
		}
	}
}
