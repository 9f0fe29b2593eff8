package provider

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// meaning is what a refusal of a session says: a -ERR in place of the greeting, to the login, or to the first look
// into the mailbox (some providers accept a password and refuse the account only there).
type meaning int

const (
	unclear meaning = iota

	// Of the moment.
	busy      // another session has the mailbox
	tooOften  // logins came too soon after each other
	temporary // something of the provider's own

	// The login as it is kept will not be accepted.
	wrongLogin
	appPassword // the provider wants another password from mail programs
	expired     // the password is too old
	noPasswords // the provider takes no passwords from mail programs

	// A person has to do something; the password may be right.
	webLogin  // log in with a browser, and confirm something
	popOff    // POP3 is switched off for the account, or altogether
	blocked   // the provider has locked the account
	needsTLS  // the provider wants TLS, and its profile says to go without
	permanent // something that stays
)

func (m meaning) passing() bool   { return m == busy || m == tooOften || m == temporary }
func (m meaning) definite() bool  { return m >= wrongLogin && m <= noPasswords }
func (m meaning) forPerson() bool { return m >= webLogin }

// knownTexts says what texts of providers mean, in small letters; the first that is part of a text counts. So what is
// particular comes first: "login failed: too many connections" isn't about the login. Where each was seen stands
// in the table of its test.
var knownTexts = []struct {
	meaning meaning
	texts   []string
}{
	{wrongLogin, []string{"login failure or pop3 disabled", "too many invalid logon attempts"}},
	{tooOften, []string{
		"login allowed only every", "exceeded the login limit", "logins must be at least", "minimum time between logins", "minimum login delay",
		"too often", "too frequent", "login frequency", "reduce the frequency", "rate limit", "exceeded pop command or bandwidth", "bandwidth limit",
		"too many login", "too many failed", "too many failures", "too many auth", "too many attempts", "auth limit", "登录太频繁",
	}},
	{webLogin, []string{"web login required", "web browser", "verify your identity", "verify your account", "log in via"}},
	{appPassword, []string{
		"application-specific password", "application password", "app password", "app-specific", "parol prilozheniya",
		"authorization code", "authorized code", "weixin token",
	}},
	{popOff, []string{
		"not enabled for pop", "pop access is disabled", "pop access for account disabled", "pop access to this server currently disabled",
		"pop access not enabled", "pop3 access disabled for", "pop3 is disabled", "pop is disabled", "pop3 access is disabled",
		"enable mail protocol", "permanently discontinued",
	}},
	{noPasswords, []string{"basic authentication is disabled"}},
	{expired, []string{"password expired", "password has expired", "password is expired"}},
	{needsTLS, []string{
		"plaintext auth", "cleartext login", "insecure connection", "only available under a layer", "tls required", "ssl required", "use stls", "starttls required",
		"must use tls", "must use ssl", "requires ssl", "requires tls",
	}},
	{blocked, []string{
		"account is blocked", "account suspended", "account is suspended", "account disabled", "account is disabled", "account has been", "account locked",
		"account is locked", "user is disabled", "account is inactive",
	}},
	{busy, []string{
		"in use", "already locked", "lock busy", "another session", "another pop", "unable to lock", "can't lock", "could not lock", "cannot lock",
		"mailbox locked", "maildrop locked", "is locked", "locked by", "exclusive access", "already logged in",
	}},
	{temporary, []string{
		"try again", "try later", "try next time", "temporar", "too many", "simultaneous", "maximum number", "connection limit", "busy", "unavailable",
		"not available", "timeout", "timed out", "internal", "maintenance", "exceeded", "server error", "system error", "shutting down", "out of memory",
		"overload", "authenticated but not connected", "connection is closed", "connection refused", "could not be opened",
	}},
	{wrongLogin, []string{
		"authentication failed", "authentication failure", "authorization failed", "authentication unsuccessful", "auth failed",
		"invalid login", "invalid password", "invalid user", "invalid credentials", "invalid mailbox", "incorrect password", "incorrect login",
		"incorrect username", "wrong password", "wrong username", "wrong login", "bad login", "bad password", "bad username", "login incorrect",
		"login fail", "logon failure", "unable to log on", "password incorrect", "password is incorrect", "password supplied for", "password failed",
		"password mismatch", "password does not match", "password error", "username or password", "user name or password", "user or password",
		"username/password", "username and password not accepted", "unknown user", "no such user", "no such mailbox", "no mailbox here by that name",
		"user unknown", "username unknown", "not a valid user", "user not found", "user not exist", "account not exist",
	}},
}

// means says what a refusal of a session means. A response code (RFC 2449 §8, RFC 3206 §4) stands above the text, and
// the text says it more exactly. [AUTH] is about the login, unless the text says that it's about the connection.
func (r *Refusal) means() meaning {
	if !slices.Contains([]string{"", "USER", "PASS", "LIST", "UIDL", "STAT"}, r.Command) {
		return unclear
	}
	text := textMeans(r.words())
	login := r.Command == "USER" || r.Command == "PASS"
	switch {
	case r.Code == CodeInUse:
		return busy
	case r.Code == CodeLoginDelay:
		return tooOften
	case r.Code == CodeTemporary && text.passing():
		return text
	case r.Code == CodeTemporary:
		return temporary
	case r.Code == CodePermanent && text.forPerson():
		return text
	case r.Code == CodePermanent:
		return permanent
	case r.Code == CodeAuth && login && text != tooOften && text != needsTLS && !text.definite() && !text.forPerson():
		return wrongLogin
	case text.definite() && !login:
		return unclear
	}
	return text
}

func textMeans(text string) meaning {
	for _, known := range knownTexts {
		if slices.ContainsFunc(known.texts, func(part string) bool { return strings.Contains(text, part) }) {
			return known.meaning
		}
	}
	return unclear
}

// longestDelay bounds what a provider may ask for as the time between two logins.
const longestDelay = 24 * time.Hour

var delayInText = regexp.MustCompile(`(\d{1,6}) ?-?(second|sec|minute|min|hour|s\b|h\b)`)

// delay is the time between logins that a text names; 0: none.
func delay(text string) time.Duration {
	found := delayInText.FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		return 0
	}
	unit := time.Second
	switch found[2][0] {
	case 'm':
		unit = time.Minute
	case 'h':
		unit = time.Hour
	}
	return min(time.Duration(n)*unit, longestDelay)
}
