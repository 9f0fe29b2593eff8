package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"postroom/services/contract"

	"github.com/spf13/cobra"
)

func newQueueList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the mail that waits to be sent",
		Long: `List the mail that waits to be sent, oldest first, with a line for each recipient that doesn't have it yet. STATE is
waiting (to be tried at the time of NEXT TRY), sending, on-hold or dropped (its sender is about to be told). REASON
is what the last try came to.`,
		Example: `  postroom queue list
  postroom queue list --json | jq -r '.mails[] | select(.recipients[].state == "on-hold").id'`,
		Args: takes(),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		mails, err := askQueue(cmd)
		if err != nil {
			return err
		}
		if *asJSON {
			reports := []queuedReport{}
			for _, m := range mails {
				reports = append(reports, newQueuedReport(m))
			}
			return printJSON(cmd.OutOrStdout(), map[string]any{"mails": reports})
		}
		return printQueue(cmd.OutOrStdout(), mails, time.Local)
	}
	return cmd
}

// askQueue asks for the whole queue, piece by piece.
func askQueue(cmd *cobra.Command) (mails []*contract.Transport, err error) {
	err = with(cmd, func(ctx context.Context, b box) error {
		q := &contract.ListQueueRequest{}
		for {
			var answer contract.ListQueueResponse
			if err := b.Call(ctx, "ListQueue", q, &answer); err != nil {
				return err
			}
			mails = append(mails, answer.Mails...)
			if !answer.More || len(answer.Mails) == 0 {
				return nil
			}
			q.After = answer.Mails[len(answer.Mails)-1].Id
		}
	})
	return mails, err
}

func printQueue(w io.Writer, mails []*contract.Transport, zone *time.Location) error {
	if len(mails) == 0 {
		_, err := fmt.Fprintln(w, "The queue is empty: no mail waits to be sent.")
		return err
	}
	t := table{
		heading: []string{"MAIL", "SINCE", "SIZE", "SENDER", "RECIPIENT", "STATE", "NEXT TRY", "REASON"},
		numbers: map[int]bool{0: true, 2: true},
	}
	for _, m := range mails {
		head := []string{fmt.Sprint(m.Id), moment(m.Received, zone), size(m.GetBody().GetLength()), senderWord(m.Sender)}
		for _, r := range m.Recipients {
			if recipientDone(r) {
				continue
			}
			t.add(append(head, printable(r.Address), stateWord(r.State), nextTry(r, zone), shorten(oneLine(reasonOf(r))))...)
			head = []string{"", "", "", ""}
		}
	}
	return t.print(w)
}

func recipientDone(r *contract.TransportRecipient) bool {
	return r.State == contract.RecipientState_DELIVERED || r.State == contract.RecipientState_FAILED
}

// senderWord shows an envelope's sender.
func senderWord(address string) string {
	if address == "" {
		return "<>"
	}
	return printable(address)
}

// stateWord is a recipient's state as people and JSON have it: waiting, sending, delivered, failed, on-hold, dropped.
func stateWord(state contract.RecipientState) string {
	return strings.ReplaceAll(strings.ToLower(state.String()), "_", "-")
}

func nextTry(r *contract.TransportRecipient, zone *time.Location) string {
	if r.State != contract.RecipientState_WAITING || r.NextTry == nil {
		return "-"
	}
	return moment(r.NextTry, zone)
}

// reasonOf says why a recipient is in the state that it is in.
func reasonOf(r *contract.TransportRecipient) string {
	switch {
	case r.Text != "":
		return r.Text
	case r.State == contract.RecipientState_ON_HOLD:
		return "held by the owner"
	case r.State == contract.RecipientState_DROPPED:
		return "dropped by the owner; its sender is about to be told"
	case r.State == contract.RecipientState_SENDING:
		return "is being tried now"
	case r.Tries == 0:
		return "not tried yet"
	}
	return ""
}
