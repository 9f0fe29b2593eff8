package command

import (
	"fmt"

	"postroom/services/contract"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
)

// askDone makes one call of a command that changes something, and says that it is done.
func askDone(cmd *cobra.Command, method string, request proto.Message, format string, args ...any) error {
	if err := ask(cmd, method, request, &contract.UserResponse{}); err != nil {
		return err
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), printable(fmt.Sprintf(format, args...)))
	return err
}

func newUserAdd() *cobra.Command {
	return &cobra.Command{
		Use:   "add NAME",
		Short: "Make a local user",
		Long: `Make a local user, with a password that is read from standard input: a terminal asks for it. The user's first address
is NAME at the setting users.pseudo_domain, and it gets a licence while one is free. Without an account it has
addresses, but no mailbox: mail to it is held until "postroom user move" gives it one.`,
		Example: `  postroom user add anna
  pass show postroom/anna | postroom user add anna`,
		Args:              takes("NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := readPassword(cmd)
			if err != nil {
				return err
			}
			return askDone(cmd, "AddUser", &contract.AddUserRequest{Name: args[0], Password: password}, "%s: added", args[0])
		},
	}
}

func newUserPassword() *cobra.Command {
	return &cobra.Command{
		Use:   "password USER",
		Short: "Give a local user another password",
		Long: `Give a local user another password. It is read from standard input: a terminal asks for it. A user that came with an
account has that account's password, which is changed at the provider.`,
		Example: `  postroom user password anna
  pass show postroom/anna | postroom user password anna`,
		Args:              takes("USER"),
		ValidArgsFunction: completing(userNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := readPassword(cmd)
			if err != nil {
				return err
			}
			return askDone(cmd, "SetUserPassword", &contract.AddUserRequest{Name: args[0], Password: password}, "%s: password set", args[0])
		},
	}
}

func newUserRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove USER",
		Short: "Remove a local user",
		Long: `Remove a local user. Its addresses are free then, and its licence goes to the user that waits longest. A user that
has accounts is refused: remove those, or move them to another user. One that came with an account goes with its last
one.`,
		Example:           "  postroom user remove anna",
		Args:              takes("USER"),
		ValidArgsFunction: completing(userNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askDone(cmd, "RemoveUser", &contract.UserRequest{Name: args[0]}, "%s: removed", args[0])
		},
	}
}

func newUserMove() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "move ACCOUNT USER",
		Short: "Give an account to another user",
		Long: `Give an account to another user, with the address that is its login. A user that came with an account and has none
left goes, and all of its addresses go with the account. Mail that is held for the account stays with it. With
--first it becomes the user's first account, which gets mail that is sent to the user's addresses within the box; of
an account that is the user's already, only that changes.`,
		Example: `  postroom user move myaccount@gmx.de@pop3.gmx.de anna
  postroom user move myaccount@gmx.de@pop3.gmx.de anna --first`,
		Args:              takes("ACCOUNT", "USER"),
		ValidArgsFunction: completing(accountNames, userNames),
	}
	first := cmd.Flags().Bool("first", false, "make it the user's first account")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		request := &contract.MoveAccountRequest{Account: args[0], User: args[1], First: *first}
		return askDone(cmd, "MoveAccount", request, "%s: is of user %s", args[0], args[1])
	}
	return cmd
}
