package command

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"postroom/services/contract"

	"github.com/spf13/cobra"
)

func newQueue() *cobra.Command {
	return group(&cobra.Command{
		Use:   "queue",
		Short: "Show and change the mail that waits to be sent",
		Long: `Show and change the mail that waits to be sent: the Transport Queue. A mail is named by its number, as "queue list"
shows it; --recipient means one of its recipients, else all are meant.`,
		Example: `  postroom queue list
  postroom queue show 1048577`,
	},
		newQueueList(),
		newQueueShow(),
		newQueueRetry(),
		newQueueChange("hold", contract.ChangeQueuedRequest_HOLD, "on hold", "Don't try to deliver a mail until it is released",
			`Don't try to deliver a mail until "queue release". The time of smtp.give_up goes on meanwhile. A recipient that is
being tried just now is held when that has ended without success.`),
		newQueueChange("release", contract.ChangeQueuedRequest_RELEASE, "released", "Try again to deliver a mail that was on hold",
			`Try again to deliver a mail that was on hold, beginning now.`),
		newQueueDrop(),
		newQueueCounters(),
	)
}

// parseMail reads a mail's number.
func parseMail(cmd *cobra.Command, text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil || id == 0 {
		return 0, usagef("%s: %q is no mail's number: \"postroom queue list\" shows them", short(cmd), text)
	}
	return id, nil
}

// changeQueued makes a change, and says how many recipients it was made for.
func changeQueued(cmd *cobra.Command, request *contract.ChangeQueuedRequest, done string) error {
	var answer contract.ChangeQueuedResponse
	if err := ask(cmd, "ChangeQueued", request, &answer); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", count(answer.Recipients, "recipient"), done)
	return err
}

func addRecipient(cmd *cobra.Command) *string {
	return cmd.Flags().String("recipient", "", "of this `address` alone; else of all recipients")
}

func newQueueChange(name string, change contract.ChangeQueuedRequest_Change, done, short, long string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     name + " MAIL",
		Short:   short,
		Long:    long,
		Example: "  postroom queue " + name + " 1048577\n  postroom queue " + name + " 1048577 --recipient you@example.org",
		Args:    takes("MAIL"),
	}
	recipient := addRecipient(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := parseMail(cmd, args[0])
		if err != nil {
			return err
		}
		return changeQueued(cmd, &contract.ChangeQueuedRequest{Id: id, Change: change, Recipient: *recipient}, done)
	}
	return cmd
}

func newQueueRetry() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry MAIL | --all",
		Short: "Try now to deliver a mail",
		Long: `Try now to deliver a mail that waits for its next try, or by --all each that does. An account's login that a relay
refused is tried once more, too.`,
		Example: `  postroom queue retry 1048577
  postroom queue retry --all`,
		Args: cobra.MaximumNArgs(1),
	}
	all := cmd.Flags().Bool("all", false, "each mail that waits")
	recipient := addRecipient(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		request := &contract.ChangeQueuedRequest{Change: contract.ChangeQueuedRequest_RETRY, Recipient: *recipient}
		switch {
		case *all == (len(args) == 1):
			return usagef("%s: name one MAIL, or give --all", short(cmd))
		case *all && *recipient != "":
			return usagef("%s: --recipient is of one MAIL", short(cmd))
		case !*all:
			id, err := parseMail(cmd, args[0])
			if err != nil {
				return err
			}
			request.Id = id
		}
		return changeQueued(cmd, request, "to be tried now")
	}
	return cmd
}

func newQueueDrop() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drop MAIL",
		Short: "Give up a mail that waits to be sent",
		Long: `Give up a mail that waits to be sent. Its sender gets a notice that it couldn't be delivered; by --silent, nobody is
told. It can't be brought back. On a terminal the command asks first; elsewhere, and in scripts, --yes says that
it's meant.`,
		Example: `  postroom queue drop 1048577
  postroom queue drop 1048577 --recipient you@example.org --silent --yes`,
		Args: takes("MAIL"),
	}
	recipient := addRecipient(cmd)
	silent := cmd.Flags().Bool("silent", false, "don't tell the sender")
	yes := cmd.Flags().Bool("yes", false, "don't ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := parseMail(cmd, args[0])
		if err != nil {
			return err
		}
		request := &contract.ChangeQueuedRequest{Id: id, Change: contract.ChangeQueuedRequest_DROP, Recipient: *recipient}
		told, done := "its sender is told", "dropped"
		if *silent {
			request.Change, told = contract.ChangeQueuedRequest_DROP_SILENT, "nobody is told"
		}
		if !*yes {
			if err := confirm(cmd, fmt.Sprintf("Drop mail %d? It can't be brought back; %s.", id, told)); err != nil {
				return err
			}
		}
		return changeQueued(cmd, request, done)
	}
	return cmd
}

// confirm asks on a terminal, and refuses where there is none.
func confirm(cmd *cobra.Command, question string) error {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !isTerminal(in) {
		return usagef("%s: standard input is no terminal to ask at: --yes says that it's meant", short(cmd))
	}
	return askYes(cmd, in, question)
}

func askYes(cmd *cobra.Command, in io.Reader, question string) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return fmt.Errorf("nothing was done")
}
