package command

import (
	"fmt"
	"strings"

	"postroom/services/contract"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
)

func newAccountSet() *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME SETTING=VALUE",
		Short: "Set for an account what else the settings say for all",
		Long: `Set for an account what else the settings say for all. The value is written as in the settings file; "default" takes it
back. There is one such setting:

  retrieved   when mail that a client has retrieved leaves the account's queue: "expire" (when the client logs off),
              "until-dele" (when a client deletes it), or a time such as "720h" (30 days) after it was first
              retrieved. With the last two, several clients can collect the account.

It holds from the next login on; "postroom account show" shows it.`,
		Example: `  postroom account set myaccount@gmx.de@pop3.gmx.de retrieved=until-dele
  postroom account set myaccount@gmx.de@pop3.gmx.de retrieved=default`,
		Args: takes("NAME", "SETTING=VALUE"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return []string{"retrieved=expire", "retrieved=until-dele", "retrieved=720h", "retrieved=default"}, cobra.ShellCompDirectiveNoFileComp
			}
			return completeAccounts(cmd, args, begun)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			name, value, ok := strings.Cut(args[1], "=")
			if !ok || name != "retrieved" {
				return usagef("%s: %q is no SETTING=VALUE: write for example retrieved=until-dele", short(cmd), args[1])
			}
			request := &contract.SetAccountRequest{Name: args[0], Retrieved: proto.String(value)}
			if err := ask(cmd, "SetAccount", request, &contract.AccountResponse{}); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", printable(args[0]), args[1])
			return err
		},
	}
}
