package provider

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// What servers and providers send, as it was seen, and what is made of it. "seen" says where: "source" is a server's own code or
// program, a name in brackets the public project whose code or issues quote it from that provider. Providers that
// are not named run one of these servers, as far as is known; GMX and WEB.DE have no words of their own for POP3 that is
// switched off.
func TestKnownRefusals(t *testing.T) {
	t.Parallel()
	const (
		definite = "definite"     // no further try until a client logs in
		bare     = "bare"         // perhaps
		person   = "for a person" // tried again seldom, a condition says what to do
		passing  = "passing"      // tried again
		nothing  = "nothing"      // tried again, a condition says what was said
	)
	cases := []struct {
		seen    string
		command string // PASS where it's ""
		line    string
		want    string
		means   meaning
	}{
		// Gmail
		{"Gmail (gaia's mail program, verbatim from its log)", "", "-ERR [AUTH] Application-specific password required: https://support.google.com/accounts/answer/185833", definite, appPassword},
		{"Gmail (several)", "", "-ERR [AUTH] Username and password not accepted.", definite, wrongLogin},
		{"Gmail (several)", "", "-ERR [AUTH] Web login required: https://support.google.com/mail/answer/78754", definite, webLogin},
		{"Gmail (several)", "", "-ERR [AUTH] Account exceeded pop command or bandwidth limits (Failure)", passing, tooOften},
		{"Gmail (gaia's mail program)", "", "-ERR [SYS/PERM] Your account is not enabled for POP access. Please visit your Gmail settings page and enable your account for POP access.", person, popOff},
		{"Gmail, behind the login (several)", "LIST", "-ERR [SYS/PERM] Your account is not enabled for POP access", person, popOff},
		{"Gmail (gaia's mail program)", "", "-ERR [SYS/PERM] POP access is disabled for your domain.", person, popOff},
		{"Gmail (frappe, pull request 1133)", "", "-ERR [SYS/TEMP] Temporary system problem. Please try again later.", passing, temporary},
		{"Gmail (several)", "", "-ERR [IN-USE] Unable to lock maildrop: Mailbox is locked by POP server", passing, busy},
		{"Gmail (several)", "", "-ERR [LOGIN-DELAY] Minimum time between logins not met", passing, tooOften},

		// Microsoft: Exchange, Office 365, Outlook.com, Hotmail
		{"Exchange, Office 365 (fdm, issue 123; rust-pop3, issue 17)", "", "-ERR Logon failure: unknown user name or bad password.", definite, wrongLogin},
		{"Exchange 2019's program", "", "-ERR Authentication failure: unknown user name or bad password.", definite, wrongLogin},
		{"Outlook.com", "", "-ERR Basic authentication is disabled", definite, noPasswords},
		{"Exchange's program, behind the login", "LIST", "-ERR User is authenticated but not connected.", passing, temporary},
		{"Exchange's program", "", "-ERR Server Unavailable. 21", passing, temporary},
		{"Exchange's program, as a greeting", "greeting", "-ERR BYE Connection refused", passing, temporary},
		{"Exchange's program, as a greeting", "greeting", "-ERR Connection is closed. 11", passing, temporary},
		{"Hotmail, behind the login (claws-mail, sylpheed)", "STAT", "-ERR login allowed only every 15 minutes", passing, tooOften},
		{"Hotmail (webOS's mail program)", "", "-ERR Exceeded the login limit for a 15 minute period. Reduce the frequency of requests to the POP3 server.", passing, tooOften},
		{"Hotmail (webOS's mail program)", "", "-ERR Mailbox could not be opened", passing, temporary},
		{"Hotmail (webOS's mail program)", "", "-ERR Account is blocked. Login to your account via a web browser to verify your identity.", person, webLogin},

		// Yahoo, Yandex, Mail.ru
		{"Yahoo (hpop)", "", "-ERR Your account is not enabled for POP access. Please visit options section in yahoo mail accounts for enable POP access.", person, popOff},
		{"Yahoo (a mail program for telephones)", "", "-ERR [AUTH] (#MBR1240) Please verify your account by going to https://login.yahoo.com", definite, webLogin},
		{"Yandex (several)", "", "-ERR [AUTH] login failure or POP3 disabled, try later. sc=HtjJitcPRuQ1", definite, wrongLogin},
		{"Mail.ru, by its other protocols (several)", "", "-ERR NEOBHODIM parol prilozheniya https://help.mail.ru/mail/security/protection/external / Application password is REQUIRED", definite, appPassword},

		// QQ, 163, 126, Nate
		{"QQ (several)", "", "-ERR Login fail", definite, wrongLogin},
		{"QQ, by its other protocols (several)", "", "-ERR Login fail. Please enter your authorization code to login.", definite, appPassword},
		{"QQ (sync-engine)", "", "-ERR Please using authorized code to login.", definite, appPassword},
		{"QQ for companies (sync-engine)", "", "-ERR Login fail. Please using weixin token", definite, appPassword},
		{"163.com (several)", "", "-ERR Unable to log on", definite, wrongLogin},
		{"163.com, other servers in China (a mail program for telephones)", "", "-ERR 登录太频繁", passing, tooOften},
		{"the same program", "", "-ERR please enable mail protocol first", person, popOff},
		{"Nate, as a greeting", "greeting", "-ERR POP3 service has been permanently discontinued.", person, popOff},

		// GMX, WEB.DE, Free
		{"GMX, WEB.DE, also where POP3 is switched off (yam, issue 638)", "", "-ERR authentication failed", definite, wrongLogin},
		{"Free (a trace of pop.free.fr)", "", "-ERR authorization failed", definite, wrongLogin},

		// Dovecot
		{"Dovecot's program", "", "-ERR [AUTH] Authentication failed.", definite, wrongLogin},
		{"Dovecot's program, before it knew codes", "", "-ERR Authentication failed.", definite, wrongLogin},
		{"Dovecot's program", "", "-ERR [AUTH] Password expired", definite, expired},
		{"Dovecot's program", "USER", "-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.", person, needsTLS},
		{"Dovecot's program", "USER", "-ERR Plaintext authentication disabled.", person, needsTLS},
		{"Dovecot's program", "", "-ERR [SYS/TEMP] Temporary authentication failure. [mx1:2026-01-02 03:04:05]", passing, temporary},
		{"Dovecot's program", "", "-ERR [IN-USE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", passing, busy},
		{"Dovecot's program", "", "-ERR [IN-USE] Mailbox is locked by another POP3 session.", passing, busy},
		{"Dovecot's program", "", "-ERR [SYS/TEMP] Internal error occurred. Refer to server log for more information.", passing, temporary},
		{"Dovecot's program", "", "-ERR Login failed: Authentication process is too busy", passing, temporary},

		// Courier
		{"Courier's program", "", "-ERR Login failed.", definite, wrongLogin},
		{"Courier's program", "", "-ERR Temporary problem, please try again later", passing, temporary},
		{"Courier's program", "", "-ERR POP3 access disabled for this account.", person, popOff},
		{"Courier's program", "", "-ERR POP3 access disabled via insecure connection.", person, needsTLS},
		{"Courier's program", "USER", "-ERR TLS required to log in.", person, needsTLS},
		{"Courier's program", "", "-ERR Your account is temporarily unavailable (+t bit set on home directory).", passing, temporary},
		{"Courier's program", "", "-ERR Server out of memory, aborting connection.", passing, temporary},

		// Cyrus
		{"Cyrus' program", "", "-ERR [AUTH] Invalid login", definite, wrongLogin},
		{"Cyrus' program", "USER", "-ERR [AUTH] Invalid user", definite, wrongLogin},
		{"Cyrus' program", "USER", "-ERR [AUTH] USER command only available under a layer", person, needsTLS},
		{"Cyrus' program", "", "-ERR [LOGIN-DELAY] Logins must be at least 5 minutes apart", passing, tooOften},
		{"Cyrus' program", "", "-ERR [IN-USE] Unable to lock maildrop: Mailbox is locked by POP server", passing, busy},
		{"Cyrus' program", "", "-ERR [SYS/TEMP] Unable to open maildrop: Mailbox has an invalid format", passing, temporary},
		{"Cyrus' program", "", "-ERR [SYS/PERM] Unable to open maildrop: Mailbox does not exist", person, permanent},
		{"Cyrus' program, as a greeting", "greeting", "-ERR Too many open connections (50 open, limit 50)", passing, temporary},

		// Other servers
		{"mailutils' program", "", "-ERR [AUTH] Bad login", definite, wrongLogin},
		{"mailutils' program", "", "-ERR [LOGIN-DELAY] Attempt to log in within the minimum login delay interval", passing, tooOften},
		{"mailutils' program", "", "-ERR [SYS/PERM] Cannot authenticate", person, permanent},
		{"hMailServer's source", "", "-ERR Invalid user name or password. Please use full email address as user name.", definite, wrongLogin},
		{"hMailServer's source", "", "-ERR Invalid user name or password. Too many invalid logon attempts.", definite, wrongLogin},
		{"Zimbra's source", "", "-ERR pop access not enabled for account", person, popOff},
		{"Zimbra (a mail program for telephones)", "USER", "-ERR cleartext logins disabled", person, needsTLS},
		{"Zimbra's source", "", "-ERR [AUTH] invalid username/password", definite, wrongLogin},
		{"nginx's source, in front of others", "", "-ERR invalid username/password", definite, wrongLogin},
		{"qpopper, cucipop (several)", "", `-ERR Password supplied for "u" is incorrect.`, definite, wrongLogin},
		{"qpopper (several)", "", "-ERR /usr/mail/.u.pop lock busy! Is another session active? (11)", passing, busy},
		{"Zmail, Post Office (popbiff)", "", "-ERR Password failed for u", definite, wrongLogin},
		{"Bongo, NetMail's source", "", "-ERR [AUTH] POP Access for account disabled", definite, popOff},
		{"Bongo, NetMail's source, as a greeting", "greeting", "-ERR [SYS/PERM] POP access to this server currently disabled", person, popOff},
		{"Bongo, NetMail's source, as a greeting", "greeting", "-ERR [SYS/TEMP] POP connection limit for this server reached", passing, temporary},
		{"Citadel's source", "", "-ERR System busy, try later.", passing, temporary},
		{"an ISP's qpopper", "", "-ERR account is SUSPENDED. Call for assistance.", person, blocked},
		{"RFC 1939 §7's own example", "", "-ERR maildrop already locked", passing, busy},
		{"RFC 1939 §7's own example", "USER", "-ERR sorry, no mailbox for frated here", nothing, unclear},
		{"RFC 1939 §7's own example", "", "-ERR invalid password", definite, wrongLogin},

		// What says nothing, and what a code alone says
		{"no words", "", "-ERR", bare, unclear},
		{"no known words", "", "-ERR no", bare, unclear},
		{"a code that isn't known", "", "-ERR [XYZZY] no", bare, unclear},
		{"RFC 3206 §4", "", "-ERR [AUTH]", definite, wrongLogin},
		{"RFC 3206 §4", "", "-ERR [auth] nope", definite, wrongLogin},
		{"RFC 2449 §8.1.2", "", "-ERR [IN-USE] Do you have another POP session running?", passing, busy},
		{"a code above the words", "", "-ERR [SYS/TEMP] authentication failed", passing, temporary},
		{"a code above the words", "", "-ERR [SYS/PERM] No such user.", person, permanent},
		{"what was asked counts", "RETR", "-ERR [AUTH] authentication failed", nothing, unclear},
		{"what was asked counts", "LIST", "-ERR login failed", nothing, unclear},
		{"a greeting that says nothing", "greeting", "-ERR go away", nothing, unclear},
	}
	for _, c := range cases {
		command := c.command
		switch command {
		case "":
			command = "PASS"
		case "greeting":
			command = ""
		}
		err := parseStatus(command, []byte(c.line))
		var got []string
		for what, is := range map[string]bool{
			definite: DefinitelyRefused(err), bare: BarelyRefused(err), person: ForPerson(err), passing: Passing(err),
		} {
			if is {
				got = append(got, what)
			}
		}
		if got == nil {
			got = []string{nothing}
		}
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %q to %s is %v, want %s", c.seen, c.line, c.command, got, c.want)
		}
		if _, m := refused(err); m != c.means {
			t.Errorf("%s: %q to %s means %d, want %d", c.seen, c.line, c.command, m, c.means)
		}
	}
	if DefinitelyRefused(nil) || BarelyRefused(errors.New("broken")) || ForPerson(nil) || Passing(nil) {
		t.Error("what is no refusal says nothing")
	}
}

// TestTooOften reads how far apart a provider wants its logins.
func TestTooOften(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]time.Duration{
		"-ERR login allowed only every 15 minutes":                                           15 * time.Minute,
		"-ERR Exceeded the login limit for a 15 minute period. Reduce the frequency":         15 * time.Minute,
		"-ERR [LOGIN-DELAY] Logins must be at least 1 minute apart":                          time.Minute,
		"-ERR [LOGIN-DELAY] wait 600 seconds":                                                10 * time.Minute,
		"-ERR [LOGIN-DELAY] wait 90s":                                                        90 * time.Second,
		"-ERR [LOGIN-DELAY] wait 2 hours":                                                    2 * time.Hour,
		"-ERR [LOGIN-DELAY] wait 999999 hours":                                               24 * time.Hour,
		"-ERR [LOGIN-DELAY] wait 99999999999999999999 hours":                                 24 * time.Hour,
		"-ERR [LOGIN-DELAY] minimum time between logins not met":                             0,
		"-ERR [LOGIN-DELAY] error 4711: https://support.example.org/answer/78754?p=sinclair": 0,
	} {
		got, ok := TooOften(parseStatus("PASS", []byte(line)))
		if !ok || got != want {
			t.Errorf("%q: %v, %t; want %v", line, got, ok, want)
		}
	}
	for _, line := range []string{"-ERR [IN-USE] 15 minutes", "-ERR no", "+OK"} {
		if _, ok := TooOften(parseStatus("PASS", []byte(line))); ok {
			t.Errorf("%q is taken for logins that come too often", line)
		}
	}
}

// TestExplainRefusals says what to do, with the provider's own words.
func TestExplainRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ host, line, want string }{
		{"pop.gmail.com", "-ERR [AUTH] Application-specific password required: https://support.google.com/accounts/answer/185833",
			`"pop.gmail.com" wants a password of its own for mail programs: "[AUTH] Application-specific password required: https://support.google.com/accounts/answer/185833"; make one in the account's security settings there, and log in with it`},
		{"pop.gmail.com", "-ERR [SYS/PERM] POP access is disabled for your domain.",
			`POP3 is switched off at "pop.gmail.com": "[SYS/PERM] POP access is disabled for your domain."; turn it on in the account's settings there`},
		{"pop.gmail.com", "-ERR [AUTH] Web login required",
			`"pop.gmail.com" wants its user to log in with a web browser first: "[AUTH] Web login required"; do so, and confirm what it asks`},
		{"pop.gmx.net", "-ERR authentication failed",
			`"pop.gmx.net" refused login name or password: "authentication failed"; it says the same while POP3 is switched off in the account's settings there`},
		{"pop.notgmx.net", "-ERR authentication failed", `"pop.notgmx.net" refused login name or password: "authentication failed"`},
		{"outlook.office365.com", "-ERR Logon failure: unknown user name or bad password.",
			`"outlook.office365.com" refused login name or password: "Logon failure: unknown user name or bad password."; it says the same where it takes no passwords from mail programs`},
		{"p.example", "-ERR Basic authentication is disabled", `"p.example" takes no passwords from mail programs any more: "Basic authentication is disabled"; mail can't be fetched from there`},
		{"p.example", "-ERR [AUTH] Password expired", `the password has expired at "p.example": "[AUTH] Password expired"; set a new one there, and log in with it`},
		{"p.example", "-ERR account suspended", `"p.example" has locked the account: "account suspended"; ask there what to do`},
		{"p.example", "-ERR TLS required to log in.", `"p.example" takes passwords under TLS only: "TLS required to log in."; set tls to "implicit" or "stls" in its [[provider]] block`},
		{"p.example", "-ERR login allowed only every 15 minutes", `"p.example" refuses logins that come so soon after each other: "login allowed only every 15 minutes"`},
		{"p.example", "-ERR [IN-USE] busy", `"p.example" refused the login: "[IN-USE] busy"`},
		{"p.example", "-ERR hm", `"p.example" refused the login: "hm"`},
	} {
		if got := Explain(c.host, parseStatus("PASS", []byte(c.line))); got != c.want {
			t.Errorf("%s, %q:\ngot  %s\nwant %s", c.host, c.line, got, c.want)
		}
	}
	for m := range refusalWords {
		if n := strings.Count(refusalWords[m], "%"); n != 2 {
			t.Errorf("the words for %d name %d things, want host and text", m, n)
		}
	}
}
