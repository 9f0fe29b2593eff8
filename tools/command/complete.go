package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// completing completes a command's arguments for the shell: each by the names that its function asks the box for.
func completing(names ...func(*cobra.Command) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(names) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		const patience = 2 * time.Second
		ctx, cancel := context.WithTimeout(cmd.Context(), patience)
		defer cancel()
		cmd.SetContext(ctx)
		list, err := names[len(args)](cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeAccounts completes the name of an account.
func completeAccounts(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	return completing(accountNames)(cmd, args, begun)
}

func accountNames(cmd *cobra.Command) (names []string, err error) {
	status, err := askStatus(cmd)
	for _, a := range status.GetAccounts() {
		names = append(names, a.Account)
	}
	return names, err
}

func userNames(cmd *cobra.Command) (names []string, err error) {
	users, err := askUsers(cmd)
	for _, u := range users {
		names = append(names, u.Name)
	}
	return names, err
}

func addressNames(cmd *cobra.Command) (names []string, err error) {
	addresses, err := askAddresses(cmd)
	for _, a := range addresses {
		names = append(names, a.Address)
	}
	return names, err
}
