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

func newUser() *cobra.Command {
	return group(&cobra.Command{
		Use:   "user",
		Short: "Show and change users",
		Long: `Show and change users. A user has accounts and addresses. One comes by itself with each new account, named as its
login with "+" for "@"; it goes with the last of its accounts. Local users are made here, have a password of their
own, and stay until they are removed.`,
		Example: `  postroom user list
  postroom user show myaccount+gmx.de`,
	},
		newUserList(),
		newUserShow(),
		newUserAdd(),
		newUserPassword(),
		newUserRemove(),
		newUserMove(),
	)
}

func newUserList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the users of a box",
		Long: `List the users of a box. LICENCE is yes, withdrawn (by "postroom licence withdraw"), or since when the user waits for
one that gets free. LOCAL ones were made by "postroom user add".`,
		Example: `  postroom user list
  postroom user list --json | jq -r '.users[] | select(.licence == "waiting").user'`,
		Args: takes(),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		users, err := askUsers(cmd)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"users": newUserReports(users)})
		}
		return printUsers(cmd.OutOrStdout(), users, time.Local)
	}
	return cmd
}

// askUsers asks the box that the command names for all of its users.
func askUsers(cmd *cobra.Command) (users []*contract.UserInfo, err error) {
	err = with(cmd, func(ctx context.Context, b box) error {
		users, err = allUsers(ctx, b)
		return err
	})
	return users, err
}

func allUsers(ctx context.Context, b box) (users []*contract.UserInfo, err error) {
	q := &contract.ListUsersRequest{}
	for {
		answer := &contract.ListUsersResponse{}
		if err := b.Call(ctx, "ListUsers", q, answer); err != nil {
			return nil, err
		}
		users = append(users, answer.Users...)
		if !answer.More || len(answer.Users) == 0 {
			return users, nil
		}
		q.After = answer.Users[len(answer.Users)-1].Name
	}
}

// Values of a user's licence in JSON.
const (
	licenceAssigned  = "assigned"
	licenceWaiting   = "waiting"
	licenceWithdrawn = "withdrawn"
)

// userReport is a user as JSON has it. Programs rely on it.
type userReport struct {
	User      string   `json:"user"`
	Accounts  []string `json:"accounts"`  // the first one first
	Addresses []string `json:"addresses"` // the first one first
	Licence   string   `json:"licence"`
	Waiting   *string  `json:"waiting_since"`
	Local     bool     `json:"local"`
	Created   *string  `json:"created"`
}

func newUserReports(users []*contract.UserInfo) []userReport {
	list := []userReport{}
	for _, u := range users {
		list = append(list, newUserReport(u))
	}
	return list
}

func newUserReport(u *contract.UserInfo) userReport {
	return userReport{
		User: u.GetName(), Accounts: append([]string{}, u.GetAccounts()...), Addresses: append([]string{}, u.GetAddresses()...),
		Licence: licenceOf(u), Waiting: stamp(u.GetWaiting()), Local: u.GetLocal(), Created: stamp(u.GetCreated()),
	}
}

func licenceOf(u *contract.UserInfo) string {
	switch {
	case u.GetLicensed():
		return licenceAssigned
	case u.GetWaiting() != nil:
		return licenceWaiting
	}
	return licenceWithdrawn
}

func printUsers(w io.Writer, users []*contract.UserInfo, zone *time.Location) error {
	if len(users) == 0 {
		_, err := fmt.Fprintln(w, "No users: one comes with each account, and by \"postroom user add\".")
		return err
	}
	t := table{
		heading: []string{"USER", "LOCAL", "ACCOUNTS", "ADDRESSES", "CREATED", "LICENCE"},
		numbers: map[int]bool{2: true, 3: true},
	}
	for _, u := range users {
		local := "-"
		if u.Local {
			local = "yes"
		}
		t.add(printable(u.Name), local, fmt.Sprint(len(u.Accounts)), fmt.Sprint(len(u.Addresses)), moment(u.Created, zone), licenceWords(u, zone))
	}
	return t.print(w)
}

// licenceWords is a user's licence as people read it.
func licenceWords(u *contract.UserInfo, zone *time.Location) string {
	switch licence := licenceOf(u); licence {
	case licenceAssigned:
		return "yes"
	case licenceWaiting:
		return "waiting since " + moment(u.Waiting, zone)
	default:
		return licence
	}
}

func newUserShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show USER",
		Short: "Show all that is known of a user",
		Long: `Show all that is known of a user, but a password. The first account gets mail that is sent to the user's addresses
within the box. PROFILE is what holds for mail to an address: that of a user without a licence is the built-in one.`,
		Example: `  postroom user show myaccount+gmx.de
  postroom user show myaccount+gmx.de --json | jq -r '.addresses[]'`,
		Args:              takes("USER"),
		ValidArgsFunction: completing(userNames),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var answer contract.ShowUserResponse
		if err := ask(cmd, "ShowUser", &contract.UserRequest{Name: args[0]}, &answer); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), userDetails{newUserReport(answer.User), newAddressReports(answer.Addresses)})
		}
		return printUser(cmd.OutOrStdout(), &answer, time.Local)
	}
	return cmd
}

// userDetails is the shape of user show --json: a user, and more.
type userDetails struct {
	userReport
	Profiles []addressReport `json:"address_profiles"`
}

func printUser(w io.Writer, a *contract.ShowUserResponse, zone *time.Location) error {
	u := a.GetUser()
	kind := "made for an account"
	if u.GetLocal() {
		kind = "local"
	}
	for _, line := range [][2]string{
		{"User", u.GetName() + ", " + kind},
		{"Licence", licenceWords(u, zone)},
		{"Created", moment(u.GetCreated(), zone)},
		{"Accounts", strings.Join(u.GetAccounts(), ", ")},
	} {
		if _, err := fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-15s%s", line[0]+":", printable(line[1])), " ")); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	t := table{heading: []string{"ADDRESS", "PROFILE"}}
	for _, address := range a.GetAddresses() {
		t.add(printable(address.Address), printable(address.Profile))
	}
	return t.print(w)
}
