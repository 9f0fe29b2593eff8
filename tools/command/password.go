package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// maxSecret bounds what is read with a password, octets: the store takes less.
const maxSecret = 64 << 10

// readPassword reads a password from standard input, never from an argument: those are seen by everyone on a machine, and kept by
// shells. A terminal is asked twice, and shows nothing; of anything else the one line is taken.
func readPassword(cmd *cobra.Command) (string, error) {
	if f, ok := terminalOf(cmd); ok {
		return askPassword(cmd, f, bufio.NewReader(io.LimitReader(f, maxSecret)))
	}
	lines, err := readLines(cmd)
	switch {
	case err != nil:
		return "", err
	case len(lines) > 1:
		return "", errors.New("standard input holds more than one line: give it the password alone")
	}
	return notEmpty(lines[0])
}

// readLogin reads a user and its password in the same way: two lines, of which a terminal shows the first.
func readLogin(cmd *cobra.Command) (user, password string, err error) {
	if f, ok := terminalOf(cmd); ok {
		typed := bufio.NewReader(io.LimitReader(f, maxSecret))
		if user, err = askLine(cmd, typed, "User: "); err != nil {
			return "", "", err
		}
		password, err = askPassword(cmd, f, typed)
		return user, password, err
	}
	lines, err := readLines(cmd)
	if err != nil {
		return "", "", err
	}
	if len(lines) != 2 || lines[0] == "" || lines[1] == "" {
		return "", "", usagef("%s: standard input has to have two lines: the user, then the password", short(cmd))
	}
	return lines[0], lines[1], nil
}

func terminalOf(cmd *cobra.Command) (*os.File, bool) {
	f, ok := cmd.InOrStdin().(*os.File)
	return f, ok && isTerminal(f)
}

func askPassword(cmd *cobra.Command, f *os.File, typed *bufio.Reader) (string, error) {
	var answers [2]string
	err := withoutEcho(f, func() (err error) {
		for i, question := range []string{"Password: ", "Once more: "} {
			if answers[i], err = askLine(cmd, typed, question); err != nil {
				return err
			}
			fmt.Fprintln(cmd.ErrOrStderr()) // in the place of the line end, which isn't shown
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if answers[0] != answers[1] {
		return "", errors.New("the two passwords differ: nothing is changed")
	}
	return notEmpty(answers[0])
}

func askLine(cmd *cobra.Command, typed *bufio.Reader, question string) (string, error) {
	fmt.Fprint(cmd.ErrOrStderr(), question)
	line, err := typed.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// readLines gives the lines that standard input is, one at least; an end of the last line is none's beginning.
func readLines(cmd *cobra.Command) ([]string, error) {
	text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxSecret))
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSuffix(line, "\r")
	}
	return lines, nil
}

func notEmpty(password string) (string, error) {
	if password == "" {
		return "", errors.New("standard input holds no password: type one, or pipe one in")
	}
	return password, nil
}
