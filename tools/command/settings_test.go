package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postroom/services/settings"
)

func writeSettings(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "postroom.toml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const badSettings = "[appliance]\nname = \"mail\"\n\n[fetch]\nschedule = \"5m\"\n\nparalel = 3\n\n[pop3]\nplaintext_login = \"sometimes\"\n"

func TestSettingsCheck(t *testing.T) {
	t.Parallel()
	good := writeSettings(t, "[fetch]\nschedule = \"10m\"\n")
	if r := postroom(t, "", "settings", "check", good); r.status != 0 || r.out != good+" is good\n" || r.err != "" {
		t.Errorf("a good file: %+v", r)
	}
	if r := postroom(t, "", "settings", "check", good, "--json"); r.status != 0 || r.out != "{\n  \"good\": true,\n  \"problems\": []\n}\n" {
		t.Errorf("a good file: %+v", r)
	}
	bad := writeSettings(t, badSettings)
	r := postroom(t, "", "settings", "check", bad)
	lines := strings.Split(strings.TrimSpace(r.err), "\n")
	if r.status != 1 || r.out != "" || len(lines) != 2 || !strings.HasPrefix(lines[0], bad+":7: ") || !strings.HasPrefix(lines[1], bad+":10: pop3.plaintext_login: ") {
		t.Errorf("a bad file: %+v", r)
	}
	r = postroom(t, "", "settings", "check", bad, "--json")
	var report settingsReport
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatal(err)
	}
	if r.status != 1 || r.err != "" || report.Good || len(report.Problems) != 2 || report.Problems[0].Line != 7 || report.Problems[1].Path != "pop3.plaintext_login" {
		t.Errorf("a bad file: %+v", r)
	}
	if r := postroomWith(t, "", badSettings, "settings", "check", "-"); r.status != 1 || !strings.HasPrefix(r.err, "standard input:7: ") {
		t.Errorf("standard input: %+v", r)
	}
	long := writeSettings(t, strings.Repeat("#", settings.MaxFile+5))
	if r := postroom(t, "", "settings", "check", long); r.status != 1 || !strings.Contains(r.err, "at most") {
		t.Errorf("a long file: %+v", r)
	}
}

func TestSettingsApplyAndShow(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	inForce := func() string {
		t.Helper()
		var shown struct{ Fetch struct{ Schedule string } }
		if err := json.Unmarshal([]byte(b.on(t, "settings", "show", "--json")), &shown); err != nil {
			t.Fatal(err)
		}
		return shown.Fetch.Schedule
	}
	if got := b.on(t, "settings", "show"); got != string(settings.Hosted().Show()) {
		t.Errorf("a fresh box shows\n%s", got)
	}
	bad := writeSettings(t, badSettings)
	if r := postroom(t, b.data, "settings", "apply", bad); r.status != 1 || !strings.HasPrefix(r.err, bad+":7: ") || inForce() != "5m" {
		t.Errorf("a bad file: %+v", r)
	}
	certificate, key := pair(t)
	good := writeSettings(t, "[fetch]\nschedule = \"10m\"\n[tls]\ncertificate = '''\n"+certificate+"'''\nkey = '''\n"+key+"'''\n")
	if got := b.on(t, "settings", "apply", good); got != good+" is in force\n" || inForce() != "10m" {
		t.Errorf("got %q, and the schedule is %s", got, inForce())
	}
	secret := strings.Split(key, "\n")[1]
	for _, text := range []string{b.on(t, "settings", "show"), b.on(t, "settings", "show", "--json")} {
		if strings.Contains(text, secret) {
			t.Errorf("the key is shown: %s", text)
		}
	}
	if r := postroomWith(t, b.data, "[fetch]\nschedule = \"15m\"\n", "settings", "apply", "-"); r.out != "standard input is in force\n" || inForce() != "15m" {
		t.Errorf("standard input: %+v, and the schedule is %s", r, inForce())
	}
}
