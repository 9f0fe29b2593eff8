package command

import (
	"fmt"
	"time"

	"postroom/services/contract"

	"github.com/spf13/cobra"
)

func newLogin() *cobra.Command {
	return group(&cobra.Command{
		Use:   "login",
		Short: "Keep logins for relays that mail is sent by",
		Long: `Keep logins for relays that mail is sent by. A transport rule uses one by its name (transport_rule.login); a
password is never shown again. Accounts' own login data needs none of this: the rule says login = "account".`,
		Example: `  postroom login set relay < relay.txt
  postroom login list`,
	}, newLoginSet(), newLoginList(), newLoginRemove())
}

func newLoginSet() *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME",
		Short: "Keep a login, or change it",
		Long: `Keep a login under a name, or change it: user and password are read from standard input, a line each, so that they
stand in no list of processes and no history; a terminal asks for them. A relay that refused the login before is asked
again.`,
		Example: `  postroom login set relay < relay.txt
  printf '%s\n' "$RELAY_USER" "$RELAY_PASSWORD" | postroom login set relay`,
		Args: takes("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			user, password, err := readLogin(cmd)
			if err != nil {
				return err
			}
			request := &contract.SetLoginRequest{Name: args[0], User: user, Password: password}
			if err := ask(cmd, "SetLogin", request, &contract.LoginNameResponse{}); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: kept\n", printable(args[0]))
			return err
		},
	}
}

func newLoginList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the kept logins, without their passwords",
		Long: `List the kept logins, without their passwords. STATE is "kept", or "refused" when a relay refused it: mail that
needs it waits until "postroom login set" changes it.`,
		Example: `  postroom login list
  postroom login list --json | jq -r '.logins[] | select(.refused).name'`,
		Args: takes(),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var answer contract.ListLoginsResponse
		if err := ask(cmd, "ListLogins", &contract.ListLoginsRequest{}, &answer); err != nil {
			return err
		}
		if *asJSON {
			list := []loginReport{}
			for _, l := range answer.Logins {
				list = append(list, loginReport{l.Name, l.User, l.Refused, l.Text, stamp(l.Changed)})
			}
			return printJSON(cmd.OutOrStdout(), map[string]any{"logins": list})
		}
		if len(answer.Logins) == 0 {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "No logins are kept.")
			return err
		}
		t := table{heading: []string{"NAME", "USER", "STATE", "CHANGED", "RELAY SAYS"}}
		for _, l := range answer.Logins {
			state := "kept"
			if l.Refused {
				state = "refused"
			}
			t.add(printable(l.Name), printable(l.User), state, moment(l.Changed, time.Local), shorten(oneLine(l.Text)))
		}
		return t.print(cmd.OutOrStdout())
	}
	return cmd
}

type loginReport struct {
	Name    string  `json:"name"`
	User    string  `json:"user"`
	Refused bool    `json:"refused"`
	Text    string  `json:"text"`
	Changed *string `json:"changed"`
}

func newLoginRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Forget a kept login",
		Long: `Forget a kept login. Mail by a transport rule that names it waits until there is one of that name again, or the rule
changes.`,
		Example: `  postroom login remove relay`,
		Args:    takes("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := ask(cmd, "RemoveLogin", &contract.LoginNameRequest{Name: args[0]}, &contract.LoginNameResponse{}); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: removed\n", printable(args[0]))
			return err
		},
	}
}
