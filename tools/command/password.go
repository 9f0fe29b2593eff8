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

// maxSecret bounds a line with a password, octets.
const maxSecret = 64 << 10

// readPassword reads a password from standard input, never from an argument: those are seen by everyone on a machine, and kept by
// shells. A terminal is asked twice, and shows nothing; of anything else the one line is taken.
func readPassword(cmd *cobra.Command) (string, error) {
	in := cmd.InOrStdin()
	f, ok := in.(*os.File)
	if !ok || !isTerminal(f) {
		return onlyLine(in)
	}
	lines := bufio.NewReader(io.LimitReader(f, maxSecret))
	var typed [2]string
	err := withoutEcho(f, func() error {
		for i, question := range []string{"Password: ", "Once more: "} {
			fmt.Fprint(cmd.ErrOrStderr(), question)
			line, err := lines.ReadString('\n')
			fmt.Fprintln(cmd.ErrOrStderr())
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			typed[i] = strings.TrimRight(line, "\r\n")
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ: nothing is changed")
	}
	return notEmpty(typed[0])
}

// onlyLine reads the one line that standard input is.
func onlyLine(in io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxSecret))
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if strings.ContainsAny(line, "\r\n") {
		return "", errors.New("standard input holds more than one line: give it the password alone")
	}
	return notEmpty(line)
}

func notEmpty(password string) (string, error) {
	if password == "" {
		return "", errors.New("standard input holds no password: type one, or pipe one in")
	}
	return password, nil
}
