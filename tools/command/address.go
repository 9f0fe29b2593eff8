package command

import (
	"context"
	"fmt"
	"io"

	"postroom/services/contract"

	"github.com/spf13/cobra"
)

func newAddress() *cobra.Command {
	return group(&cobra.Command{
		Use:   "address",
		Short: "Show and assign e-mail addresses",
		Long: `Show and assign e-mail addresses. An address belongs to one user; each user has one from the beginning, which stays.
Mail that is sent with a user's address is the user's own.`,
		Example: `  postroom address list
  postroom address assign myaccount@gmx.de myaccount+gmx.de`,
	},
		newAddressList(),
		newAddressAssign(),
		newAddressRemove(),
	)
}

func newAddressList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all addresses and whose they are",
		Long: `List all addresses and whose they are. FIRST marks each user's first one. PROFILE is what holds for mail to the
address: that of a user without a licence is the built-in one.`,
		Example: `  postroom address list
  postroom address list --json | jq -r '.addresses[] | select(.user == "anna").address'`,
		Args: takes(),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		addresses, err := askAddresses(cmd)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"addresses": newAddressReports(addresses)})
		}
		return printAddresses(cmd.OutOrStdout(), addresses)
	}
	return cmd
}

// askAddresses asks the box that the command names for all addresses.
func askAddresses(cmd *cobra.Command) (addresses []*contract.AddressInfo, err error) {
	err = with(cmd, func(ctx context.Context, b box) error {
		addresses, err = allAddresses(ctx, b)
		return err
	})
	return addresses, err
}

func allAddresses(ctx context.Context, b box) (addresses []*contract.AddressInfo, err error) {
	q := &contract.ListAddressesRequest{}
	for {
		answer := &contract.ListAddressesResponse{}
		if err := b.Call(ctx, "ListAddresses", q, answer); err != nil {
			return nil, err
		}
		addresses = append(addresses, answer.Addresses...)
		if !answer.More || len(answer.Addresses) == 0 {
			return addresses, nil
		}
		q.After = answer.Addresses[len(answer.Addresses)-1].Address
	}
}

// addressReport is an address as JSON has it. Programs rely on it.
type addressReport struct {
	Address string `json:"address"`
	User    string `json:"user"`
	Profile string `json:"profile"`
	First   bool   `json:"first"`
}

func newAddressReports(addresses []*contract.AddressInfo) []addressReport {
	list := []addressReport{}
	for _, a := range addresses {
		list = append(list, addressReport{a.GetAddress(), a.GetUser(), a.GetProfile(), a.GetFirst()})
	}
	return list
}

func printAddresses(w io.Writer, addresses []*contract.AddressInfo) error {
	if len(addresses) == 0 {
		_, err := fmt.Fprintln(w, "No addresses: each user has one from the beginning.")
		return err
	}
	t := table{heading: []string{"ADDRESS", "USER", "FIRST", "PROFILE"}}
	for _, a := range addresses {
		first := "-"
		if a.First {
			first = "yes"
		}
		t.add(printable(a.Address), printable(a.User), first, printable(a.Profile))
	}
	return t.print(w)
}

func newAddressAssign() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "assign ADDRESS USER",
		Short: "Assign an address to a user",
		Long: `Assign an address to a user. One that is another user's is refused, and so is the login of an account of another
user: its mail would reach the wrong person. With --first it becomes the user's first address, one that it has
already too.`,
		Example: `  postroom address assign myaccount@gmx.de myaccount+gmx.de
  postroom address assign anna.berg@example.org anna --first`,
		Args:              takes("ADDRESS", "USER"),
		ValidArgsFunction: completing(addressNames, userNames),
	}
	first := cmd.Flags().Bool("first", false, "make it the user's first address")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		request := &contract.AssignAddressRequest{Address: args[0], User: args[1], First: *first}
		return askDone(cmd, "AssignAddress", request, "%s: is of user %s", args[0], args[1])
	}
	return cmd
}

func newAddressRemove() *cobra.Command {
	return &cobra.Command{
		Use:               "remove ADDRESS",
		Short:             "Take an address off its user",
		Long:              `Take an address off its user. The one that the user was made with stays as long as the user does.`,
		Example:           "  postroom address remove myaccount@gmx.de",
		Args:              takes("ADDRESS"),
		ValidArgsFunction: completing(addressNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askDone(cmd, "RemoveAddress", &contract.AddressRequest{Address: args[0]}, "%s: removed", args[0])
		},
	}
}
