package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestErrors(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	for _, test := range []struct {
		name   string
		data   string
		args   []string
		status int
		want   string // in the one line
	}{
		{"no such command", "", []string{"stauts"}, 2, `unknown command "stauts" for "postroom"`},
		{"no such subcommand", "", []string{"account", "lst"}, 2, `no command "account lst" (see "postroom account --help")`},
		{"which subcommand", "", []string{"account"}, 2, "account what? One of list, show, pause, resume, fetch, accept, set, restore, remove, export"},
		{"no such flag", "", []string{"status", "--jason"}, 2, "unknown flag: --jason"},
		{"argument missing", "x", []string{"account", "show"}, 2, "account show: NAME is missing"},
		{"argument too many", "x", []string{"account", "show", "a", "b"}, 2, `account show: "b" is too much`},
		{"argument to none", "x", []string{"status", "a"}, 2, `"a" is too much`},
		{"no box named", "", []string{"status"}, 2, "which box? Give --data DIR or --host NAME, or set POSTROOM_DATA"},
		{"two boxes named", "", []string{"status", "--data", "x", "--host", "y"}, 2, "--data and --host name two boxes"},
		{"bad host", "", []string{"status", "--host", "a/b"}, 2, `--host: host "a/b"`},
		{"no output", "", []string{"store", "salvage", "x"}, 2, "store salvage: --output is missing"},
		{"no box there", empty, []string{"status"}, 1,
			"no box answers at " + empty + "/run/admin.sock (no such file or directory): start it by `postroom serve --data " + empty + "`"},
		{"no box, no store", empty, []string{"store", "check"}, 1, "no box answers at "},
		{"no settings file", "", []string{"settings", "check", empty + "/none.toml"}, 1, "no such file or directory"},
	} {
		r := postroom(t, test.data, test.args...)
		if r.status != test.status || !strings.Contains(r.err, test.want) || !strings.HasPrefix(r.err, "postroom: ") || strings.Count(r.err, "\n") != 1 {
			t.Errorf("%s: exit status %d, %q; want %d, one line with %q", test.name, r.status, r.err, test.status, test.want)
		}
		if r.out != "" {
			t.Errorf("%s: standard output %q", test.name, r.out)
		}
	}
}

// walk gives every command but those that are cobra's own.
func walk(cmd *cobra.Command, see func(*cobra.Command)) {
	if cmd.Name() == "completion" || cmd.Name() == "help" {
		return
	}
	see(cmd)
	for _, c := range cmd.Commands() {
		walk(c, see)
	}
}

func TestEveryCommandIsExplained(t *testing.T) {
	t.Parallel()
	walk(newRoot(""), func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if cmd.Short == "" || cmd.Long == "" || !strings.Contains(cmd.Example, "  postroom ") {
			t.Errorf("%s: a text or an example is missing", path)
		}
		for line := range strings.SplitSeq(cmd.Long+"\n"+cmd.Example, "\n") {
			if len([]rune(line)) > 120 {
				t.Errorf("%s: a line of its help is %d columns wide: %s", path, len([]rune(line)), line)
			}
		}
		r := postroom(t, "", append(strings.Fields(path)[1:], "--help")...)
		if r.status != 0 || !strings.Contains(r.out, "Examples:") {
			t.Errorf("%s --help: exit status %d, %s", path, r.status, r.out)
		}
	})
}

// What shows something shows it as JSON, too.
func TestJSONEverywhere(t *testing.T) {
	t.Parallel()
	silent := map[string]bool{ // they change something, write files, or run
		"postroom account pause": true, "postroom account resume": true, "postroom account fetch": true, "postroom account remove": true,
		"postroom account accept": true, "postroom account export": true, "postroom account set": true, "postroom account restore": true, "postroom settings apply": true,
		"postroom user add": true, "postroom user password": true, "postroom user remove": true, "postroom user move": true,
		"postroom address assign": true, "postroom address remove": true, "postroom licence assign": true, "postroom licence withdraw": true,
		"postroom queue retry": true, "postroom queue hold": true, "postroom queue release": true, "postroom queue drop": true,
		"postroom login set": true, "postroom login remove": true,
		"postroom serve": true, "postroom demo": true, "postroom pipe": true,
	}
	walk(newRoot(""), func(cmd *cobra.Command) {
		if cmd.HasSubCommands() || silent[cmd.CommandPath()] {
			return
		}
		if cmd.Flag("json") == nil {
			t.Errorf("%s has no --json", cmd.CommandPath())
		}
	})
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := postroom(t, "", "completion", shell); r.status != 0 || !strings.Contains(r.out, "postroom") {
			t.Errorf("%s: exit status %d, %s", shell, r.status, r.err)
		}
	}
	b := newBox(t)
	b.enrol(t, "anna@pop3.example.org")
	if out := postroom(t, b.data, "__complete", "account", "show", "").out; !strings.HasPrefix(out, "anna@pop3.example.org\n") {
		t.Errorf("names of accounts: %q", out)
	}
	for _, test := range []struct{ typed, want string }{
		{"user show", "anna\n"}, {"licence withdraw", "anna\n"}, {"address remove", "anna@pop3proxy.reddoxx\n"},
		{"user move", "anna@pop3.example.org\n"}, {"user move anna@pop3.example.org", "anna\n"}, {"address assign a@b.example", "anna\n"},
		{"user show anna", ":4\n"}, {"user add", ":4\n"},
	} {
		if out := postroom(t, b.data, append(append([]string{"__complete"}, strings.Fields(test.typed)...), "")...).out; !strings.HasPrefix(out, test.want) {
			t.Errorf("%s: %q, want %q", test.typed, out, test.want)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if r := postroom(t, "", "version"); r.out != "postroom dev\n" || r.status != 0 {
		t.Errorf("got %+v", r)
	}
	if r := postroom(t, "", "version", "--json"); r.out != "{\n  \"version\": \"dev\"\n}\n" {
		t.Errorf("got %+v", r)
	}
}

// golden compares text with a file in testdata. UPDATE=1 writes the file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}
