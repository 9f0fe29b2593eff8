package command

import (
	"fmt"
	"io"
	"time"

	"postroom/services/contract"

	"github.com/spf13/cobra"
)

func newAccount() *cobra.Command {
	return group(&cobra.Command{
		Use:   "account",
		Short: "Show and change accounts",
		Long: `Show and change accounts. An account is one mailbox at a provider; it is named as mail clients log in,
login@provider-host, and appears when one first does.`,
		Example: `  postroom account list
  postroom account show myaccount@gmx.de@pop3.gmx.de`,
	},
		newAccountList(),
		newAccountShow(),
		newAccountChange("pause", "PauseAccount", "paused", "Stop fetching for an account",
			"Stop fetching for an account. What is held for it is served as before; its mail stays at the provider."),
		newAccountChange("resume", "ResumeAccount", "resumed", "Fetch again for a paused account",
			"Fetch again for a paused account, beginning now."),
		newAccountChange("fetch", "FetchAccount", "fetch asked for", "Fetch now for an account",
			`Fetch now for an account: as soon as the provider's minimum interval allows. A login that the provider
refused is tried once more. "postroom account show" tells how it went.`),
		newAccountChange("accept", "AcceptIncomplete", "incomplete mails accepted", "Let the provider's copies of incomplete mails be deleted",
			`Let the provider's copies of incomplete mails be deleted. When a provider gives a mail with another length than it
says, and differently in each session, the longest of what came is delivered, marked, and the provider's copy
stays; "postroom status" says so. Look there whether more of it can be had; then accept what was delivered. It is
meant for the mails that are left there now: one that comes later asks again.`),
		newAccountSet(),
		newAccountRestore(),
		newAccountRemove(),
		newAccountExport(),
	)
}

func newAccountList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the accounts of a box",
		Long: `List the accounts of a box. STATE is active, paused (by "postroom account pause"), refused (the provider refuses
the login: nothing is fetched until a client logs in again) or resting (no client has polled it for long).
WAITING counts the mails that the next poll gives.`,
		Example: `  postroom account list
  postroom account list --json | jq -r '.accounts[] | select(.state == "refused").account'`,
		Args: takes(),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		status, err := askStatus(cmd)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"accounts": newAccountReports(status.Accounts)})
		}
		return printAccounts(cmd.OutOrStdout(), status.Accounts, time.Local)
	}
	return cmd
}

type accountReport struct {
	Account      string  `json:"account"`
	User         string  `json:"user"`
	State        string  `json:"state"`
	LastFetch    *string `json:"last_fetch"`
	NextFetch    *string `json:"next_fetch"`
	ProviderText string  `json:"provider_text"`
	Waiting      uint64  `json:"waiting"`
}

func newAccountReports(accounts []*contract.AccountStatus) []accountReport {
	list := []accountReport{}
	for _, a := range accounts {
		list = append(list, newAccountReport(a))
	}
	return list
}

func newAccountReport(a *contract.AccountStatus) accountReport {
	return accountReport{
		Account: a.GetAccount(), User: a.GetUser(), State: a.GetState(),
		LastFetch: stamp(a.GetLastFetch()), NextFetch: stamp(a.GetNextFetch()),
		ProviderText: a.GetProviderText(), Waiting: a.GetWaiting(),
	}
}

func printAccounts(w io.Writer, accounts []*contract.AccountStatus, zone *time.Location) error {
	if len(accounts) == 0 {
		_, err := fmt.Fprintln(w, "No accounts: one appears when a mail client logs in as login@provider-host.")
		return err
	}
	t := table{
		heading: []string{"ACCOUNT", "USER", "STATE", "WAITING", "LAST FETCH", "NEXT FETCH", "PROVIDER SAYS"},
		numbers: map[int]bool{3: true},
	}
	for _, a := range accounts {
		next := "-"
		if a.NextFetch != nil {
			next = moment(a.NextFetch, zone)
		}
		t.add(printable(a.Account), printable(a.User), printable(a.State), fmt.Sprint(a.Waiting),
			moment(a.LastFetch, zone), next, shorten(oneLine(a.ProviderText)))
	}
	return t.print(w)
}

// shorten cuts what would make a line of a table long; "account show" has it whole.
func shorten(text string) string {
	const most = 40 // runes
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// newAccountChange is a command that makes one call for one account, and says that it is done.
func newAccountChange(name, method, done, short, long string) *cobra.Command {
	return &cobra.Command{
		Use:               name + " NAME",
		Short:             short,
		Long:              long,
		Example:           "  postroom account " + name + " myaccount@gmx.de@pop3.gmx.de",
		Args:              takes("NAME"),
		ValidArgsFunction: completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := ask(cmd, method, &contract.AccountRequest{Name: args[0]}, &contract.AccountResponse{}); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", printable(args[0]), done)
			return err
		},
	}
}

func newAccountRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Forget an account",
		Long: `Forget an account: its login data, its user where it was the user's only one, and what is known of its mail at
the provider. The provider's mailbox stays as it is. An account for which mail is held is refused: that mail
exists nowhere else. Export it first, or remove it too by --with-mail. A client that logs in again brings
the account back as a new one.`,
		Example: `  postroom account export myaccount@gmx.de@pop3.gmx.de --output myaccount.mbox
  postroom account remove myaccount@gmx.de@pop3.gmx.de --with-mail`,
		Args:              takes("NAME"),
		ValidArgsFunction: completeAccounts,
	}
	withMail := cmd.Flags().Bool("with-mail", false, "remove the mail that is held for it, too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		request := &contract.RemoveAccountRequest{Name: args[0], WithMail: *withMail}
		if err := ask(cmd, "RemoveAccount", request, &contract.AccountResponse{}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: removed\n", printable(args[0]))
		return err
	}
	return cmd
}
