package command

import (
	"fmt"
	"io"
	"strings"
	"time"

	"postroom/services/contract"

	"github.com/spf13/cobra"
)

// queuedReport is the shape of a mail in queue list --json and queue show --json.
type queuedReport struct {
	ID         uint64            `json:"id"`
	Received   *string           `json:"received"`
	Octets     uint64            `json:"octets"`
	Sender     string            `json:"sender"`
	Client     string            `json:"client"`
	Account    string            `json:"account"`
	Recipients []recipientReport `json:"recipients"`
}

type recipientReport struct {
	Address     string  `json:"address"`
	State       string  `json:"state"`
	Tries       uint32  `json:"tries"`
	NextTry     *string `json:"next_try"`
	Changed     *string `json:"changed"`
	Reason      string  `json:"reason"`
	Rule        string  `json:"rule"`
	Destination string  `json:"destination"`
	DelayTold   bool    `json:"delay_told"`
	Doubt       bool    `json:"doubt"`
}

func newQueuedReport(m *contract.Transport) queuedReport {
	report := queuedReport{
		ID: m.GetId(), Received: stamp(m.GetReceived()), Octets: m.GetBody().GetLength(), Sender: m.GetSender(), Client: m.GetClient(),
		Account: m.GetOwnerName(), Recipients: []recipientReport{},
	}
	for _, r := range m.GetRecipients() {
		one := recipientReport{
			Address: r.Address, State: stateWord(r.State), Tries: r.Tries, Changed: stamp(r.Changed), Reason: reasonOf(r),
			Rule: r.Rule, Destination: r.Destination, DelayTold: r.DelayTold, Doubt: r.Doubt,
		}
		if r.State == contract.RecipientState_WAITING {
			one.NextTry = stamp(r.NextTry)
		}
		report.Recipients = append(report.Recipients, one)
	}
	return report
}

func newQueueShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show MAIL",
		Short: "Show a mail that waits to be sent, with its header",
		Long:  `Show a mail that waits to be sent: what became of each recipient, why, by which rule and where; and its header.`,
		Example: `  postroom queue show 1048577
  postroom queue show 1048577 --json | jq -r '.recipients[].reason'`,
		Args: takes("MAIL"),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := parseMail(cmd, args[0])
		if err != nil {
			return err
		}
		var answer contract.ShowQueuedResponse
		if err := ask(cmd, "ShowQueued", &contract.QueuedRequest{Id: id}, &answer); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), struct {
				queuedReport
				Header string `json:"header"`
			}{newQueuedReport(answer.Mail), string(answer.Header)})
		}
		return printQueued(cmd.OutOrStdout(), &answer, time.Local)
	}
	return cmd
}

func printQueued(w io.Writer, a *contract.ShowQueuedResponse, zone *time.Location) error {
	m := a.GetMail()
	client := m.GetClient()
	if client == "" {
		client = "the box itself"
	}
	account := m.GetOwnerName()
	if account == "" {
		account = "nobody's: no account's login is used for it"
	}
	for _, line := range [][2]string{
		{"Mail", fmt.Sprint(m.GetId())},
		{"Since", moment(m.GetReceived(), zone)},
		{"Size", size(m.GetBody().GetLength())},
		{"Sender", senderWord(m.GetSender())},
		{"Account", account},
		{"From client", client},
	} {
		if _, err := fmt.Fprintf(w, "%-15s%s\n", line[0]+":", printable(line[1])); err != nil {
			return err
		}
	}
	for _, r := range m.GetRecipients() {
		fmt.Fprintf(w, "\n%s: %s\n", printable(r.Address), stateWord(r.State))
		lines := [][2]string{{"Reason", oneLine(reasonOf(r))}, {"Tries", fmt.Sprint(r.Tries)}}
		if r.State == contract.RecipientState_WAITING {
			lines = append(lines, [2]string{"Next try", moment(r.NextTry, zone)})
		}
		if r.Rule != "" {
			lines = append(lines, [2]string{"By rule", r.Rule}, [2]string{"To", r.Destination})
		}
		if r.DelayTold {
			lines = append(lines, [2]string{"Delay", "its sender was told"})
		}
		if r.Doubt {
			lines = append(lines, [2]string{"Doubt", "a try ended without an answer: the mail may come twice"})
		}
		for _, line := range lines {
			fmt.Fprintf(w, "  %-13s%s\n", line[0]+":", printable(line[1]))
		}
	}
	fmt.Fprintln(w)
	for line := range strings.SplitSeq(strings.TrimRight(string(a.GetHeader()), "\r\n"), "\n") {
		if _, err := fmt.Fprintln(w, printable(strings.ReplaceAll(strings.TrimRight(line, "\r"), "\t", " "))); err != nil {
			return err
		}
	}
	return nil
}
