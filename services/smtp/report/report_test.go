package report

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	date    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	arrived = date.Add(-2 * time.Hour)
)

func sample(action Action, recipients ...Recipient) Report {
	for i := range recipients {
		if recipients[i].Action == "" {
			recipients[i].Action = action
		}
	}
	return Report{Key: [16]byte{1, 2, 3}, Host: "box.example", Domain: "pop3proxy.reddoxx", To: "me@gmx.net", Date: date, Arrived: arrived, Recipients: recipients,
		Original: []byte("Subject: Hello\r\nTo: you@example.net\r\n\r\n")}
}

var samples = map[string]struct {
	report        Report
	eightBit, utf bool
	python        string // what Python's email package finds
}{
	"failure": {
		report: func() Report {
			r := sample(Failed,
				Recipient{Address: "you@example.net", Original: "rfc822;You+2Bx@example.net", Status: "5.1.1", Server: "mx.example.net", Reply: "550 5.1.1 no such user",
					Reason: "mx.example.net [192.0.2.1] answered to RCPT: 550 5.1.1 no such user"},
				Recipient{Address: "she@example.com", Status: "5.4.7", Reason: "nobody could be reached in 5 days – sorry"})
			r.EnvelopeID = "QQ+2B1"
			r.Whole, r.Original = true, []byte("Subject: Hello\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ngrüße\r\n.\r\n--postroom--\r\n")
			return r
		}(),
		eightBit: true,
		python:   "3 parts, 2 recipients, failed 5.1.1 failed 5.4.7, message/rfc822 Hello",
	},
	"delay": {
		report: func() Report {
			r := sample(Delayed, Recipient{Address: "you@example.net", Status: "4.4.1", Reason: "mx.example.net can't be reached: connection refused"})
			r.Until = date.Add(118 * time.Hour)
			return r
		}(),
		python: "3 parts, 1 recipients, delayed 4.4.1, text/rfc822-headers Hello",
	},
	"success": {
		report: sample(Relayed, Recipient{Address: "you@example.net", Status: "2.0.0", Server: "mx.example.net"},
			Recipient{Address: "it@pop3proxy.reddoxx", Action: Delivered, Status: "2.0.0"}),
		python: "3 parts, 2 recipients, relayed 2.0.0 delivered 2.0.0, text/rfc822-headers Hello",
	},
	"international": {
		report: func() Report {
			r := sample(Failed, Recipient{Address: "ü@example.net", Status: "5.6.7", Reason: "mx.example.net doesn't take internationalised mail\r\nX-Forged: yes"})
			r.To, r.Original = "ä@example.org", []byte("Subject: Grüße\r\n\r\n")
			return r
		}(),
		eightBit: true, utf: true,
		python: "3 parts, 1 recipients, failed 5.6.7, message/global-headers None",
	},
}

func TestReports(t *testing.T) {
	t.Parallel()
	for name, test := range samples {
		text, eightBit, utf := test.report.Bytes()
		golden(t, name, text)
		if eightBit != test.eightBit || utf != test.utf {
			t.Errorf("%s: 8 bit %v, UTF-8 %v", name, eightBit, utf)
		}
		for _, b := range text {
			if b >= 0x80 && !eightBit {
				t.Errorf("%s has 8-bit octets, and doesn't say so", name)
				break
			}
		}
		if got := python(t, text); got != test.python {
			t.Errorf("%s: Python finds %q, want %q", name, got, test.python)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	text := Refused{Key: [16]byte{1}, Host: "box.example", Domain: "pop3proxy.reddoxx", To: "me@gmx.net", Date: date, Login: "me@gmx.net",
		Relay: "mail.gmx.net:465", Said: "535 Authentication credentials invalid – no\r\nX-Forged: yes"}.Bytes()
	golden(t, "refused", text)
	if got := python(t, text); got != "1 parts, 0 recipients, , text/plain Your outgoing mail waits: the login was refused" {
		t.Errorf("Python finds %q", got)
	}
}

// golden holds a mail to its file, and to what every mail has to be.
func golden(t *testing.T, name string, text []byte) {
	t.Helper()
	if bare := bytes.ReplaceAll(text, []byte("\r\n"), nil); bytes.ContainsAny(bare, "\r\n") {
		t.Errorf("%s has a bare CR or LF", name)
	}
	for _, field := range []string{"\r\nAuto-Submitted: auto-", "\r\nDate: ", "\r\nMessage-Id: ", "\r\nSubject: "} {
		if head, _, _ := bytes.Cut(text, []byte("\r\n\r\n")); !bytes.Contains(head, []byte(field)) {
			t.Errorf("%s: no %q", name, field)
		}
	}
	file := filepath.Join("testdata", name+".eml")
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || !bytes.Equal(text, want) {
		t.Errorf("%s: %v; got\n%s", name, err, text)
	}
}

const script = `
import email, email.policy, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
assert not m.defects, m.defects
assert m['Auto-Submitted'] and m['X-Forged'] is None
parts = list(m.iter_parts()) if m.is_multipart() else [m]
found, recipients = [], 0
for p in parts:
    assert not p.defects, p.defects
    if p.get_content_type() in ('message/delivery-status',):
        blocks = p.get_payload()
    elif p.get_content_type() == 'message/global-delivery-status':
        inner = p.get_payload()[0]
        blocks = [inner] + [email.message_from_string(b, policy=email.policy.default) for b in inner.get_payload().replace('\r\n', '\n').split('\n\n')]
    else:
        continue
    assert blocks[0]['Reporting-MTA'] == 'dns; box.example', blocks[0].items()
    for b in blocks[1:]:
        if b['Final-Recipient'] is None: continue
        recipients += 1
        assert b['X-Forged'] is None
        found.append(b['Action'] + ' ' + b['Status'])
last = parts[-1]
if len(parts) > 1:
    assert m.get_content_type() == 'multipart/report' and m.get_param('report-type') == 'delivery-status'
if last.get_content_type() == 'message/rfc822':
    subject = last.get_payload()[0]['Subject']
elif last.get_content_type() == 'text/rfc822-headers':
    subject = email.message_from_string(last.get_payload())['Subject']
else:
    subject = m['Subject'] if len(parts) == 1 else None
print(len(parts), 'parts,', recipients, 'recipients,', ' '.join(found) + ',', last.get_content_type(), subject)
`

func python(t *testing.T, text []byte) string {
	t.Helper()
	cmd := exec.Command("python3", "-c", script)
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}
