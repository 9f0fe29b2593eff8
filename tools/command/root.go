// Package command is the postroom command: what a person types to run a box, to see how it is, and to change it.
//
// A subcommand is a file; root.go lists them all. Those that ask a box reach it by one call, whether it is
// on this machine or across the network (box.go).
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitFailed = 1 // the error is on standard error, in one line
	exitUsage  = 2 // what was typed is no command
)

// Main runs the command. args[0] is its own name.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, args[1:], os.Getenv("POSTROOM_DATA"), os.Stdin, os.Stdout, os.Stderr)
}

func run(ctx context.Context, args []string, data string, in io.Reader, out, errors io.Writer) int {
	root := newRoot(data)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errors)
	understood := false // cobra has told which command with which arguments
	root.PersistentPreRun = func(*cobra.Command, []string) { understood = true }
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	return tell(cmd, err, understood)
}

// tell puts an error into one line, and gives the exit status.
func tell(cmd *cobra.Command, err error, understood bool) int {
	status, hint := exitFailed, ""
	if usage := (usageError{}); errors.As(err, &usage) || !understood {
		status, hint = exitUsage, fmt.Sprintf(" (see %q)", cmd.CommandPath()+" --help")
	}
	if !errors.Is(err, errTold) {
		fmt.Fprintf(cmd.ErrOrStderr(), "postroom: %s%s\n", oneLine(err.Error()), hint)
	}
	return status
}

// oneLine joins what libraries wrote in several lines.
func oneLine(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			continue
		case b.Len() > 0 && strings.HasSuffix(b.String(), ":"):
			b.WriteString(" ")
		case b.Len() > 0:
			b.WriteString("; ")
		}
		b.WriteString(line)
	}
	return printable(b.String())
}

// usageError is an error of who typed the command.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// errTold ends a command whose errors are told already.
var errTold = errors.New("told already")

// newRoot builds the command; data is the default of --data.
func newRoot(data string) *cobra.Command {
	root := &cobra.Command{
		Use:   "postroom",
		Short: "Run a Postroom box, see how it is, and change it",
		Long: `Postroom fetches a company's mail from its POP3 providers, checks it, and holds it until mail clients collect it.

Commands that ask a box find it by --data (the data folder of a box on this machine, or $POSTROOM_DATA)
or by --host (a box in the network; your client key must be known to it).`,
		Example: `  postroom serve --data ~/postroom
  postroom --data ~/postroom status
  postroom --host mail.example.org account list`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().String("data", data, "data folder of a box on this machine; default $POSTROOM_DATA")
	root.PersistentFlags().String("host", "", "a box in the network: its name or address, with a port if it isn't 443")
	root.AddCommand(
		newServe(), newDemo(), newPipe(),
		newStatus(),
		newAccount(),
		newUser(), newAddress(), newLicence(),
		newQueue(), newLogin(),
		newSettings(),
		newStore(),
		newVersion(),
	)
	return root
}

// group is a command that only holds others.
func group(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(commands...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("no command %q", short(cmd)+" "+args[0])
		}
		var names []string
		for _, c := range commands {
			names = append(names, c.Name())
		}
		return usagef("%s what? One of %s", short(cmd), strings.Join(names, ", "))
	}
	return cmd
}

// short is what a command is typed as behind "postroom".
func short(cmd *cobra.Command) string { return strings.TrimPrefix(cmd.CommandPath(), "postroom ") }

// takes says that a command takes just these arguments, by the names that its usage line has for them.
func takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("%s: %s is missing", short(cmd), names[len(args)])
		case len(args) > len(names):
			return usagef("%s: %q is too much", short(cmd), args[len(names)])
		}
		return nil
	}
}
