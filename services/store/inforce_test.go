package store

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"postroom/services/contract"
)

const allowPlain = "[pop3]\nplaintext_login = \"always\"\n"

func (b *box) applyFile(text string) *contract.ApplyFileResponse {
	b.t.Helper()
	answer, err := initService{b.Store}.ApplyFile(b.t.Context(), &contract.ApplyFileRequest{Source: "serve", File: "postroom.toml", Text: []byte(text)})
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}

func TestSettingsFileIsAppliedWheneverItDiffers(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	plain := func() string { return string(b.settings.Load().POP3.PlaintextLogin) }
	if answer := b.applyFile(allowPlain); !answer.Applied || plain() != "always" {
		t.Fatalf("got %v, plaintext_login %s", answer, plain())
	}
	if _, err := (admin{b.Store}).ApplySettings(t.Context(), &contract.ApplySettingsRequest{File: "x", Text: []byte("")}); err != nil {
		t.Fatal(err)
	}
	b.reopen("two")
	if answer := b.applyFile(allowPlain); answer.Applied || plain() != "trusted" {
		t.Errorf("the file that was applied last came again: got %v, plaintext_login %s", answer, plain())
	}
	if answer := b.applyFile(allowPlain + "# changed\n"); !answer.Applied || plain() != "always" {
		t.Errorf("a changed file: got %v, plaintext_login %s", answer, plain())
	}
}

func TestBadSettingsKeepWhatWasInForce(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.applyFile(allowPlain)
	bad := "# one\n# two\n# three\n# four\n# five\n[pop3]\nplaintext_login = \"sometimes\"\n"
	answer := b.applyFile(bad)
	if answer.Applied || !strings.Contains(answer.Problem, "postroom.toml:7: pop3.plaintext_login") {
		t.Errorf("got %v", answer)
	}
	if c := b.condition(contract.ConditionSettings); c == nil || !strings.Contains(c.Text, "postroom.toml:7") {
		t.Errorf("condition %v", c)
	}
	if got := b.settings.Load().POP3.PlaintextLogin; got != "always" {
		t.Errorf("plaintext_login is %s", got)
	}
	b.applyFile(allowPlain + "\n")
	if c := b.condition(contract.ConditionSettings); c != nil {
		t.Errorf("condition stays: %v", c)
	}
}

func TestSettingsWithoutUseForTheTLSKeyDoNotHoldIt(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	certificate, key, err := selfSigned("box", false)
	if err != nil {
		t.Fatal(err)
	}
	b.applyFile("[tls]\ncertificate = '''\n" + string(certificate) + "'''\nkey = '''\n" + string(key) + "'''\n")
	for secrets, want := range map[bool]bool{true: true, false: false} {
		answer, err := common{b.Store, secrets}.GetSettings(t.Context(), nil)
		if err != nil || strings.Contains(answer.Toml, "PRIVATE KEY") != want {
			t.Errorf("caller with secrets %t: got %v, %v", secrets, answer, err)
		}
	}
}

// Intake stops before the disk is full; serving and deleting go on, and it starts again by itself.
func TestIntakeStopsAtTheReserve(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	account := b.enrolled("me@gmx.de@pop3.gmx.de")
	b.put(account, mailOf(1))
	b.faulty.Fail(func(op, _ string) error {
		if op == "free" {
			return syscall.ENOSPC
		}
		return nil
	})
	b.room.left.Store(0) // the disk is looked at once in a while
	f := fetcher{b.Store}
	_, err := putOne(t.Context(), f, &contract.PutRequest{Account: account, Mails: []*contract.PutMail{mailOf(2)}})
	if !errors.Is(err, contract.ErrFull) {
		t.Errorf("put: got %v, want ErrFull", err)
	}
	if _, err := f.BeginUpload(t.Context(), &contract.BeginUploadRequest{Account: account}); !errors.Is(err, contract.ErrFull) {
		t.Errorf("upload: got %v, want ErrFull", err)
	}
	if c := b.condition(contract.ConditionDiskFull); c == nil {
		t.Error("no condition says that the disk is full")
	}
	b.validate()
	list := b.mailbox(account)
	if len(list) != 1 {
		t.Fatalf("%d mails are served, want 1", len(list))
	}
	if _, err := (pop3{b.Store}).EndPoll(t.Context(), &contract.EndPollRequest{Account: account, Leave: []uint64{list[0].Id}}); err != nil {
		t.Errorf("deleting: %v", err)
	}
	b.faulty.Fail(nil)
	b.put(account, mailOf(2))
	if c := b.condition(contract.ConditionDiskFull); c != nil {
		t.Errorf("condition stays: %v", c)
	}
}
