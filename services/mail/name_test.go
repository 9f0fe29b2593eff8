package mail_test

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"postroom/services/mail"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	longHost := strings.Repeat(strings.Repeat("a", 62)+".", 4) // 252 octets
	tests := []struct {
		typed      string
		want       mail.Name
		str        string // "": as typed
		key        string // "": as typed
		name, when string
	}{
		{typed: "myaccount@pop3.web.de", want: mail.Name{Login: "myaccount", Host: "pop3.web.de"}},
		{typed: "myaccount@gmx.de@pop3.gmx.de", want: mail.Name{Login: "myaccount@gmx.de", Host: "pop3.gmx.de"}},
		{typed: "MyAccount@GMX.De@POP3.gmx.DE.", want: mail.Name{Login: "MyAccount@gmx.de", Host: "pop3.gmx.de"},
			str: "MyAccount@gmx.de@pop3.gmx.de", key: "MyAccount@gmx.de@pop3.gmx.de"},
		{typed: "A@b@C@host", want: mail.Name{Login: "A@b@c", Host: "host"}, str: "A@b@c@host", key: "A@b@c@host"},
		{typed: "a@h:110", want: mail.Name{Login: "a", Host: "h", Port: 110}, key: "a@h"},
		{typed: "a@h:995", want: mail.Name{Login: "a", Host: "h", Port: 995}, key: "a@h"},
		{typed: "a@h:1995", want: mail.Name{Login: "a", Host: "h", Port: 1995}},
		{typed: "a@192.168.1.5:65535", want: mail.Name{Login: "a", Host: "192.168.1.5", Port: 65535}},
		{typed: "a@[2001:DB8::1]:995", want: mail.Name{Login: "a", Host: "2001:db8::1", Port: 995},
			str: "a@[2001:db8::1]:995", key: "a@[2001:db8::1]"},
		{typed: "a@[::1]", want: mail.Name{Login: "a", Host: "::1"}},
		{typed: "a@[::ffff:127.0.0.1]", want: mail.Name{Login: "a", Host: "127.0.0.1"}, str: "a@127.0.0.1", key: "a@127.0.0.1"},
		{typed: "a@Bücher.example", want: mail.Name{Login: "a", Host: "xn--bcher-kva.example"},
			str: "a@xn--bcher-kva.example", key: "a@xn--bcher-kva.example"},
		{typed: "a@pop3。example", want: mail.Name{Login: "a", Host: "pop3.example"}, str: "a@pop3.example", key: "a@pop3.example"},
		{typed: "a@１２７.0.0.1", want: mail.Name{Login: "a", Host: "127.0.0.1"}, str: "a@127.0.0.1", key: "a@127.0.0.1"},
		{typed: "käthe müller@firma.de@h", want: mail.Name{Login: "käthe müller@firma.de", Host: "h"}},
		{typed: `dom\user@h`, want: mail.Name{Login: `dom\user`, Host: "h"}},
		{typed: "a@" + longHost + "a", want: mail.Name{Login: "a", Host: longHost + "a"}},
		{typed: strings.Repeat("l", mail.MaxLogin) + "@h", want: mail.Name{Login: strings.Repeat("l", mail.MaxLogin), Host: "h"}},
	}
	for _, test := range tests {
		got, err := mail.ParseName(test.typed)
		if err != nil || got != test.want {
			t.Errorf("%q: got %+v, %v; want %+v", test.typed, got, err, test.want)
			continue
		}
		if want := orElse(test.str, test.typed); got.String() != want {
			t.Errorf("%q: String: got %q; want %q", test.typed, got.String(), want)
		}
		if want := orElse(test.key, test.typed); got.Key() != want {
			t.Errorf("%q: Key: got %q; want %q", test.typed, got.Key(), want)
		}
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func TestParseNameRefuses(t *testing.T) {
	t.Parallel()
	const (
		form  = "needs the form login@provider-host, for example myaccount@gmx.de@pop3.gmx.de"
		login = "the login in front of the provider's host is empty"
		port  = "the port behind the provider's host is a number from 1 to 65535"
		host  = "what stands behind the last @ isn't a host name or an IP address"
		ipv6  = "is written in brackets"
		char  = "control or invisible character"
	)
	tests := []struct{ typed, want string }{
		{"", form}, {"myaccount", form}, {"pop3.web.de", form},
		{"@pop3.web.de", login}, {"@@h", login}, {"a@@h", login}, {"@gmx.de@h", login}, {" a@h", login}, {"a @h", login},
		{strings.Repeat("l", mail.MaxLogin+1) + "@h", "longer than 248 octets"},
		{"a@", host}, {"a@.", host}, {"a@h..", host}, {"a@.h", host}, {"a@h..de", host}, {"a@h h", host}, {"a@-h.de", host},
		{"a@h_h", host}, {"a@h/x", host}, {"a@h%2e", host}, {"a@xn--a", host}, {"a@" + strings.Repeat("a", 64), host},
		{"a@127.1", host}, {"a@2130706433", host}, {"a@0x7f000001", host}, {"a@127.0.0.01", host}, {"a@1.2.3.4.5", host}, {"a@0x", host},
		{"a@" + strings.Repeat("abcdefg.", 32) + "de", "longer than 253 octets"}, {"a@" + strings.Repeat("a", 5000), "longer than 253 octets"},
		{"a@h:", port}, {"a@h:0", port}, {"a@h:65536", port}, {"a@h:+1", port}, {"a@h:pop3", port}, {"a@h:0995", port}, {"a@h:1:2", port},
		{"a@h:99999999999999999999", port}, {"a@[::1]:", port}, {"a@[::1]:x", port},
		{"a@::1", ipv6}, {"a@2001:db8::1", ipv6}, {"a@[::1", ipv6}, {"a@[::1]x", ipv6}, {"a@[127.0.0.1]", ipv6}, {"a@[fe80::1%eth0]", ipv6},
		{"a@[]", ipv6}, {"a@[host]", ipv6},
		{"a\x00@h", char}, {"a\r\nDELE 1@h", char}, {"a\x7f@h", char}, {"a\u0085@h", char}, {"a\u202e@h", char}, {"a\u200b@h", char}, {"a\u00a0@h", char},
		{"a@h\n", char}, {"a\xff@h", "isn't valid UTF-8"},
	}
	for _, test := range tests {
		got, err := mail.ParseName(test.typed)
		var reason *mail.NameError
		if !errors.As(err, &reason) || !strings.Contains(reason.Reason, test.want) || got != (mail.Name{}) {
			t.Errorf("%.60q: got %+v, %v; want an error with %q", test.typed, got, err, test.want)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b        string
		key, folded bool // they are the same
	}{
		{"a@h", "a@h:110", true, true},
		{"a@h:995", "a@h:110", true, true},
		{"a@h:996", "a@h", false, false},
		{"a@[::1]:110", "a@[::1]:995", true, true},
		{"a@GMX.de@h", "a@gmx.de@H.", true, true},
		{"A@gmx.de@h", "a@gmx.de@h", false, true},
		{"ÄBC@h", "äbc@h", false, true},
		{"a@h", "a@h2", false, false},
		{"info@a", "info@b", false, false},
	}
	for _, test := range tests {
		a, errA := mail.ParseName(test.a)
		b, errB := mail.ParseName(test.b)
		if errA != nil || errB != nil {
			t.Errorf("%q, %q: %v, %v", test.a, test.b, errA, errB)
		}
		if same := a.Key() == b.Key(); same != test.key {
			t.Errorf("Keys %q and %q: same %v; want %v", a.Key(), b.Key(), same, test.key)
		}
		if same := a.Folded() == b.Folded(); same != test.folded {
			t.Errorf("folded Keys %q and %q: same %v; want %v", a.Folded(), b.Folded(), same, test.folded)
		}
	}
}

func TestUserNames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		typed string
		want  []string
	}{
		{"username@gmx.net@pop.gmx.net", []string{"username+gmx.net", "username+gmx.net+pop.gmx.net", "username+gmx.net+pop.gmx.net-2", "username+gmx.net+pop.gmx.net-3"}},
		{"info@h:1995", []string{"info", "info+h", "info+h-2", "info+h-3"}},
		{"info@[::1]", []string{"info", "info+--1", "info+--1-2", "info+--1-3"}},
	}
	for _, test := range tests {
		n, err := mail.ParseName(test.typed)
		if err != nil {
			t.Error(err)
		}
		if got := first(n.UserNames(), 4); !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q; want %q", test.typed, got, test.want)
		}
	}
}

func first(seq iter.Seq[string], n int) (got []string) {
	for s := range seq {
		if got = append(got, s); len(got) == n {
			break
		}
	}
	return got
}

func TestIP(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]bool{"a@h.de": false, "a@127.0.0.1": true, "a@[::1]:995": true} {
		n, _ := mail.ParseName(typed)
		if ip, ok := n.IP(); ok != want || ok && ip.String() != n.Host {
			t.Errorf("%q: got %v, %v; want %v", typed, ip, ok, want)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"myaccount@gmx.de@pop3.gmx.de", "A@Bücher.example:995", "a@[2001:db8::1]:1", "a@１２７.0.0.1", "a@h：995", "a@\u0130.de@h", "a@ß.de", "a@xn--ls8h.de"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := mail.ParseName(s)
		if err != nil {
			var reason *mail.NameError
			if !errors.As(err, &reason) {
				t.Fatalf("%q: the error is a %T", s, err)
			}
			return
		}
		if again, err := mail.ParseName(n.String()); err != nil || again != n {
			t.Fatalf("%q: %+v; parsed again: %+v, %v", s, n, again, err)
		}
		key, err := mail.ParseName(n.Key())
		if err != nil || key.Key() != n.Key() {
			t.Fatalf("%q: key %q; parsed: %+v, %v", s, n.Key(), key, err)
		}
		if host, err := mail.ParseHost(n.Host); err != nil || host != n.Host {
			t.Fatalf("%q: host %q; parsed: %q, %v", s, n.Host, host, err)
		}
		if n.Login == "" || len(n.Login) > mail.MaxLogin || len(n.Host) > 253 || !utf8.ValidString(n.Login) || strings.ContainsAny(n.Login, "\r\n\x00") {
			t.Fatalf("%q: %+v breaks a limit", s, n)
		}
		for _, name := range first(n.UserNames(), 3) {
			if strings.Contains(name, "@") {
				t.Fatalf("%q: user name %q", s, name)
			}
		}
	})
}

func BenchmarkParseName(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mail.ParseName("myaccount@gmx.de@pop3.gmx.de:995"); err != nil {
			b.Fatal(err)
		}
	}
}
