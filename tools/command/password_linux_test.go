package command

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal gives both ends of a terminal.
func terminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close() })
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return user, program
}

// A terminal is asked twice, and shows nothing of what is typed; afterwards it shows it again.
func TestPasswordFromATerminal(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	add := func(name, typed string) (status int, errors string) {
		t.Helper()
		user, program := terminal(t)
		// All at once, before anything is asked: the terminal keeps it, and would show it at once if it had an echo then.
		if err := withoutEcho(program, func() error { _, err := user.WriteString(typed); return err }); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		status = run(t.Context(), []string{"user", "add", name}, b.data, program, &out, &errs)
		mode, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
		if err != nil || mode.Lflag&unix.ECHO == 0 {
			t.Errorf("the terminal is left without an echo: %v", err)
		}
		return status, errs.String()
	}
	if status, errs := add("anna", "s3cret\ns3cret\n"); status != 0 || errs != "Password: \nOnce more: \n" {
		t.Errorf("exit status %d, %q", status, errs)
	}
	if status, errs := add("berta", "s3cret\nsecret\n"); status != 1 || !strings.Contains(errs, "the two passwords differ") {
		t.Errorf("exit status %d, %q", status, errs)
	}
	if status, errs := add("berta", "\n\n"); status != 1 || !strings.Contains(errs, "no password") {
		t.Errorf("exit status %d, %q", status, errs)
	}

	user, program := terminal(t)
	err := withoutEcho(program, func() error {
		if _, err := user.WriteString("hidden\n"); err != nil {
			return err
		}
		line := make([]byte, 100)
		n, err := program.Read(line)
		if string(line[:n]) != "hidden\n" {
			t.Errorf("typed %q", line[:n])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := user.WriteString("shown\n"); err != nil {
		t.Fatal(err)
	}
	shown := make([]byte, 100)
	n, err := user.Read(shown)
	if err != nil || !strings.HasPrefix(string(shown[:n]), "shown") {
		t.Errorf("the terminal shows %q, %v", shown[:n], err)
	}
	if out := b.on(t, "user", "list", "--json"); !strings.Contains(out, `"user": "anna"`) || strings.Contains(out, "berta") {
		t.Errorf("users: %s", out)
	}
}
