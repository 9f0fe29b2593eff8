package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/tools/command/mbox"

	"google.golang.org/protobuf/proto"
)

// readPython reads an mbox by Python's mailbox.mbox, and takes back the quoting.
const readPython = `
import base64, json, mailbox, re, sys
box = mailbox.mbox(sys.argv[1], create=False)
print(json.dumps([base64.b64encode(re.sub(rb'(?m)^>(>*From )', rb'\1', box.get_bytes(key))).decode() for key in box.keys()]))
`

func readMbox(t *testing.T, name string) (mails [][]byte) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "python3", "-c", readPython, name).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &mails); err != nil {
		t.Fatal(err)
	}
	return mails
}

// lf is a mail as an mbox has it.
func lf(mail string) string {
	mail = strings.ReplaceAll(mail, "\r\n", "\n")
	if !strings.HasSuffix(mail, "\n") {
		mail += "\n"
	}
	return mail
}

func TestExport(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	const name = "anna@pop3.example.org"
	id := b.enrol(t, name)
	other := b.enrol(t, "ben@pop3.example.org")
	retrieved := "Subject: retrieved\r\n\r\nFrom here on\r\n>From there\r\n\r\n"
	waiting := "Subject: waits\r\n\r\n8-bit M\xfcnchen\r\nopen end"
	large := "Subject: large\r\n\r\n" + strings.Repeat("0123456789abcdef\r\n", contract.MaxPut/8)
	held := "Subject: held\r\n\r\nsho"
	unchecked := "Subject: not yet checked\r\n\r\n.\r\n"
	b.put(t, other, []byte("Subject: ben's\r\n\r\n"))
	b.put(t, id, []byte(retrieved))
	b.validate(t)
	b.poll(t, id)
	b.put(t, id, []byte(waiting))
	b.put(t, id, []byte(large))
	b.validate(t)
	b.put(t, other, []byte("Subject: ben's other\r\n\r\n"))
	b.put(t, id, []byte(unchecked))
	put(t, b.fetcher, &contract.PutRequest{Account: id, Mails: []*contract.PutMail{{
		Key: bytes.Repeat([]byte{255}, 16), Uidl: []byte("short"), Size: 100, HeaderDigest: make([]byte, 32), Body: []byte(held), Hold: true,
	}}})

	file := filepath.Join(t.TempDir(), "anna.mbox")
	r := postroom(t, b.data, "account", "export", name, "--output", file)
	if r.status != 0 || r.out != "" || !strings.HasPrefix(r.err, "5 mails, 2.") {
		t.Errorf("got %+v", r)
	}
	want := []string{lf(held), lf(unchecked), lf(prefix + waiting), lf(prefix + large), lf(prefix + retrieved)}
	got := readMbox(t, file)
	if len(got) != len(want) {
		t.Fatalf("got %d mails, want %d", len(got), len(want))
	}
	for i := range want {
		if string(got[i]) != want[i] {
			t.Errorf("mail %d: got %.200q, want %.200q", i, got[i], want[i])
		}
	}

	if r := postroom(t, b.data, "account", "export", name, "--output", file); r.status != 1 || !strings.Contains(r.err, "exists already") {
		t.Errorf("a file is overwritten: %+v", r)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if r := postroom(t, b.data, "account", "export", name); r.out != string(text) {
		t.Errorf("standard output has %d octets, the file %d", len(r.out), len(text))
	}
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	missing := filepath.Join(t.TempDir(), "x.mbox")
	if r := postroom(t, b.data, "account", "export", "nobody@pop3.example.org", "--output", missing); r.status != 1 {
		t.Errorf("got %+v", r)
	}
	if entries, err := os.ReadDir(filepath.Dir(missing)); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// scriptedBox is a box whose answers are made up: it holds three mails in the In Queue. While they are exported
// the first goes on to the Out Queue between two of its parts, the second is damaged, the third is dropped.
type scriptedBox struct {
	away bool // it stops answering
}

func (scriptedBox) Close() {}

func (b scriptedBox) Call(_ context.Context, method string, request, answer proto.Message) error {
	if method == "ListMessages" {
		list := &contract.ListMessagesResponse{}
		if q := request.(*contract.ListMessagesRequest); q.Queue != contract.QueueOut {
			list.More, list.Queue = true, contract.QueueOut
			for id := range uint64(3) {
				list.Messages = append(list.Messages, &contract.HeldMessage{Id: id + 1, Queue: contract.QueueIn})
			}
		} else {
			list.Messages = []*contract.HeldMessage{{Id: 1, Queue: contract.QueueOut}}
		}
		proto.Merge(answer, list)
		return nil
	}
	if b.away {
		return &unreachable{where: "there", err: errors.New("gone"), advice: "look"}
	}
	q := request.(*contract.ReadMessageRequest)
	part := &contract.ReadMessageResponse{}
	switch {
	case q.Id == 1 && q.Queue == contract.QueueIn && q.Offset == 0:
		part.Octets = []byte("half a mail")
	case q.Id == 1 && q.Queue == contract.QueueOut:
		part.Octets = []byte("X: y\r\nhalf a mail and half\r\n")[q.Offset:]
	case q.Id == 2:
		return contract.ErrDamaged
	default:
		return contract.ErrNotFound
	}
	proto.Merge(answer, part)
	return nil
}

func TestExportWhileMailMoves(t *testing.T) {
	t.Parallel()
	var out, notes bytes.Buffer
	e := &exporter{box: scriptedBox{}, account: "a@b", to: mbox.NewWriter(&out), notes: &notes}
	if err := e.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nX: y\nhalf a mail and half\n\n"
	if out.String() != want || e.mails != 1 || e.leftOut != 1 {
		t.Errorf("got %q, %d mails, %d left out; want %q", out.String(), e.mails, e.leftOut, want)
	}
	if got := notes.String(); got != "postroom: message 2 in queue in is left out: damaged\n" {
		t.Errorf("got %q", got)
	}
	e = &exporter{box: scriptedBox{away: true}, account: "a@b", to: mbox.NewWriter(&out), notes: &notes}
	var away *unreachable
	if err := e.run(t.Context()); !errors.As(err, &away) {
		t.Errorf("the box went away: got %v", err)
	}
}
