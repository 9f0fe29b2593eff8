package hosted

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"postroom/tools/provider"
)

// The two accounts of the page that Postroom was ordered from.
const (
	Password = "correct horse battery"

	WebUser = "myaccount"
	WebName = "myaccount@pop3.web.de"
	GMXUser = "myaccount@gmx.de"
	GMXName = "myaccount@gmx.de@pop3.gmx.de"
)

// Provider starts a Dovecot that has both accounts, and ends it with the test.
func Provider(t testing.TB) *provider.Provider {
	t.Helper()
	p, err := provider.Start(t.Context(), provider.Config{Names: []string{"pop3.web.de", "pop3.gmx.de"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the provider:\n%s", p.Log())
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, user := range []string{WebUser, GMXUser} {
		if err := p.AddUser(t.Context(), user, Password); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// Settings is a settings file of a box on free loopback ports, with profiles that lead to the provider: one host
// by implicit TLS, the other by STLS.
func Settings(p *provider.Provider) string { return SettingsBy(p.AddrTLS(), p.Addr(), p.CA()) }

// SettingsBy is Settings where other addresses than the provider's own lead to it: one for implicit TLS, one for STLS.
func SettingsBy(byTLS, plain netip.AddrPort, ca string) string {
	return fmt.Sprintf(`
[pop3]
listen = ["127.0.0.1:0"]
listen_tls = ["127.0.0.1:0"]

[smtp]
listen = ["127.0.0.1:0"]
listen_submission = ["127.0.0.1:0"]
listen_tls = ["127.0.0.1:0"]

[console]
listen = ["127.0.0.1:0"]

[[provider]]
host = "pop3.web.de"
address = %q
ca = '''
%s'''
min_interval = "0s"

[[provider]]
host = "pop3.gmx.de"
address = %q
tls = "stls"
ca = '''
%s'''
min_interval = "0s"
`, byTLS, ca, plain, ca)
}

// Verdict is the line that stands in front of a mail as it is served.
var Verdict = []byte("X-Postroom-Verdict: deliver\r\n")

// Missing gives how many of the wanted mails are not among the given ones, and how many of those are none of
// them, or are there more often.
func Missing(want, got [][]byte) (missing, extra int) {
	count := make(map[string]int)
	for _, m := range want {
		count[string(m)]++
	}
	for _, m := range got {
		count[string(bytes.TrimPrefix(m, Verdict))]--
	}
	for _, n := range count {
		if n > 0 {
			missing += n
		} else {
			extra -= n
		}
	}
	return missing, extra
}
