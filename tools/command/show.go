package command

import (
	"fmt"
	"io"
	"strings"
	"time"

	"postroom/services/contract"

	"github.com/spf13/cobra"
)

func newAccountShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show all that is known of an account",
		Long: `Show all that is known of an account, but its password. The ledger counts mails that were seen at the provider: held
(not delivered before another session confirms it), stored (here, and still there), dele-sent (deletion asked for),
dele-acked (deleted there) and left (stays there: over the size limit, or never given twice the same).`,
		Example: `  postroom account show myaccount@gmx.de@pop3.gmx.de
  postroom account show myaccount@gmx.de@pop3.gmx.de --json | jq .provider_text`,
		Args:              takes("NAME"),
		ValidArgsFunction: completeAccounts,
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var account contract.ShowAccountResponse
		if err := ask(cmd, "ShowAccount", &contract.ShowAccountRequest{Name: args[0]}, &account); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), newAccountDetails(&account))
		}
		return printAccount(cmd.OutOrStdout(), &account, time.Local)
	}
	return cmd
}

// accountDetails is the shape of account show --json: an account's status, and more.
type accountDetails struct {
	accountReport
	ID        string         `json:"id"`
	Created   *string        `json:"created"`
	LastPoll  *string        `json:"last_poll"`
	Addresses []string       `json:"addresses"`
	Licensed  bool           `json:"licensed"`
	Retrieved string         `json:"retrieved"`
	Own       bool           `json:"own_retrieved"`
	Queues    []queueReport  `json:"queues"`
	Ledger    []ledgerReport `json:"ledger"`
}

type ledgerReport struct {
	State string `json:"state"`
	Rows  uint64 `json:"rows"`
}

func newAccountDetails(a *contract.ShowAccountResponse) accountDetails {
	d := accountDetails{
		accountReport: newAccountReport(a.Status),
		ID:            a.Id, Created: stamp(a.Created), LastPoll: stamp(a.LastPoll),
		Addresses: append([]string{}, a.Addresses...), Licensed: a.Licensed,
		Retrieved: a.Retrieved, Own: a.OwnRetrieved,
		Queues: newQueueReports(a.Queues), Ledger: []ledgerReport{},
	}
	for _, l := range a.Ledger {
		d.Ledger = append(d.Ledger, ledgerReport{ledgerWord(l.State), l.Rows})
	}
	return d
}

// ledgerWord is a ledger's state as people and JSON have it: held, stored, dele-sent, dele-acked, left.
func ledgerWord(state contract.LedgerState) string {
	return strings.ReplaceAll(strings.ToLower(state.String()), "_", "-")
}

func printAccount(w io.Writer, a *contract.ShowAccountResponse, zone *time.Location) error {
	s := a.GetStatus()
	licence := "licensed"
	if !a.Licensed {
		licence = "without a licence"
	}
	retrieved := a.Retrieved
	if a.OwnRetrieved {
		retrieved += " (this account's own)"
	}
	next := "-"
	if s.GetNextFetch() != nil {
		next = moment(s.GetNextFetch(), zone)
	}
	for _, line := range [][2]string{
		{"Account", s.GetAccount()},
		{"Id", a.Id},
		{"User", s.GetUser() + ", " + licence},
		{"Addresses", strings.Join(a.Addresses, ", ")},
		{"State", s.GetState()},
		{"Retrieved", retrieved},
		{"Created", moment(a.Created, zone)},
		{"Last poll", moment(a.LastPoll, zone)},
		{"Last fetch", moment(s.GetLastFetch(), zone)},
		{"Next fetch", next},
		{"Provider says", oneLine(s.GetProviderText())},
	} {
		if _, err := fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-15s%s", line[0]+":", printable(line[1])), " ")); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	if err := printQueues(w, a.Queues); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t := table{heading: []string{"LEDGER", "MESSAGES"}, numbers: map[int]bool{1: true}}
	for _, l := range a.Ledger {
		t.add(ledgerWord(l.State), fmt.Sprint(l.Rows))
	}
	return t.print(w)
}
