package provider

import (
	"testing"
	"time"

	"postroom/services/settings"
	"postroom/services/wire"
)

// TestLoginDelay reads what CAPA says of the time between logins, before and behind the login.
func TestLoginDelay(t *testing.T) {
	t.Parallel()
	const login = "C: USER u\nS: +OK\nC: PASS p\nS: +OK\n"
	capa := func(lines string) string { return "C: CAPA\nS: +OK\n" + lines + "S: .\n" }
	for _, c := range []struct {
		name, dialogue string
		want           time.Duration
	}{
		{"none", capa("S: TOP\n") + login, 0},
		{"no CAPA", "C: CAPA\nS: -ERR\n" + login, 0},
		{"RFC 2449 §6.5", capa("S: LOGIN-DELAY 900\n") + login, 15 * time.Minute},
		{"small letters", capa("S: login-delay 60\n") + login, time.Minute},
		{"another one for each user", capa("S: LOGIN-DELAY 900 USER\n") + login + capa("S: LOGIN-DELAY 300\n"), 5 * time.Minute},
		{"not told behind the login", capa("S: LOGIN-DELAY 900 USER\n") + login + capa("S: TOP\n"), 0},
		{"absurd", capa("S: LOGIN-DELAY 4000000000\n") + login, 24 * time.Hour},
		{"not a number", capa("S: LOGIN-DELAY -5\n") + login, 0},
		{"too large a number", capa("S: LOGIN-DELAY 99999999999999999999\n") + login, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got time.Duration
			err := play(t, settings.TLSNone, nil, nil, "S: +OK ready\n"+c.dialogue+"C: QUIT\nS: +OK\n", func(conn *Conn) error {
				if err := conn.Login("u", wire.NewSecret("p")); err != nil {
					return err
				}
				got = conn.LoginDelay()
				return conn.Quit()
			})
			if err != nil || got != c.want {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
		})
	}
}
