// Package settings changes boxes' settings while they run, and gives them files that are wrong.
package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/tests/hosted"
)

// file is a settings file whose last line, the seventh, is given.
func file(line7 string) string {
	return `[pop3]
listen = ["127.0.0.1:0"]
listen_tls = ["127.0.0.1:0"]
[console]
listen = ["127.0.0.1:0"]
[fetch]
` + line7 + "\n[smtp]\nlisten = []\nlisten_submission = []\nlisten_tls = []\n"
}

// What is wrong with a line is told with file and line, what is wrong and what would be right; check and
// apply say the same, and nothing changes.
func TestAnErrorAtLine7(t *testing.T) {
	t.Parallel()
	box := hosted.Start(t, file(`schedule = "7m"`))
	inForce, _, _ := box.Command("settings", "show")
	for _, tt := range []struct{ what, line, want string }{
		{"a bad value", `schedule = "often"`, `fetch.schedule: "often" is not a duration; write a number with its unit (s, m, h), such as "90s", "5m" or "336h"`},
		{"text for a number", `parallel = "many"`, `fetch.parallel: is text where a number is wanted`},
		{"an unknown setting", `shedule = "5m"`, `fetch.shedule: there is no such setting; did you mean "schedule"?`},
		{"an unknown section", `[fetsch]`, `[fetsch]: there is no such section; did you mean [fetch]?`},
		{"no TOML", `schedule = 5m`, `this is not TOML: strings must be quoted; write "…"`},
		{"a section given twice", `[pop3]`, `[pop3]: is set twice: first on line 1`},
		{"a block that lacks something", `[[provider]]`, `provider.host: is missing: every [[provider]] needs one; write for example host = "pop3.example.org"`},
	} {
		bad := filepath.Join(t.TempDir(), "bad.toml")
		if err := os.WriteFile(bad, []byte(file(tt.line)), 0o600); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%s:7: %s\n", bad, tt.want)
		for _, command := range []string{"check", "apply"} {
			out, errs, status := box.Command("settings", command, bad)
			if out != "" || errs != want || status != 1 {
				t.Errorf("%s, settings %s: exit status %d\n got %s%s\nwant %s", tt.what, command, status, out, errs, want)
			}
		}
	}
	if now, _, _ := box.Command("settings", "show"); now != inForce {
		t.Errorf("settings in force were\n%s\nand are\n%s", inForce, now)
	}
}

// A box that is started with a bad file runs by what was in force, and says so until there is a good file.
func TestServeWithABadFile(t *testing.T) {
	t.Parallel()
	good := file(`schedule = "7m"`)
	box := hosted.Start(t, good)
	inForce, _, _ := box.Command("settings", "show")
	restart := func(text string) (status string) {
		t.Helper()
		box.Down()
		box.Settings(text)
		box.Up()
		status, errs, code := box.Command("status")
		if code != 0 {
			t.Fatalf("status: %s", errs)
		}
		return status
	}

	const (
		condition = "! settings serve since "
		told      = "\n  the settings file is not applied, and what was in force stays: postroom.toml:7: fetch.schedule: \"often\" is not a duration;"
	)
	if status := restart(file(`schedule = "often"`)); !strings.Contains(status, condition) || !strings.Contains(status, told) {
		t.Errorf("status doesn't say %q:\n%s", told, status)
	}
	if now, _, _ := box.Command("settings", "show"); now != inForce {
		t.Errorf("settings in force were\n%s\nand are\n%s", inForce, now)
	}
	if status := restart(file(`schedule = "8m"`)); strings.Contains(status, condition) {
		t.Errorf("status behind a start with a good file:\n%s", status)
	}
	if now, _, _ := box.Command("settings", "show"); !strings.Contains(now, `schedule = "8m"`) {
		t.Errorf("the good file isn't in force:\n%s", now)
	}
	restart(file(`schedule = "often"`))
	if status := restart(file(`schedule = "8m"`)); strings.Contains(status, condition) {
		t.Errorf("status behind a start with the file that was applied last:\n%s", status)
	}
}

// holds tells whether a condition holds.
func holds(s *contract.GetStatusResponse, name, subject string) bool {
	for _, c := range s.Conditions {
		if c.Name == name && c.Subject == subject {
			return true
		}
	}
	return false
}
