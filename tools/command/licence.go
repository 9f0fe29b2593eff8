package command

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"postroom/services/contract"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
)

func newLicence() *cobra.Command {
	return group(&cobra.Command{
		Use:   "licence",
		Short: "Show and assign licences",
		Long: `Show and assign licences. There are as many as the setting users.licences says. A new user gets one while any is
free; one that gets free goes to the user that waits longest. A user without one gets all mail as well, by the
built-in profile and unarchived.`,
		Example: `  postroom licence list
  postroom licence withdraw anna`,
	},
		newLicenceList(),
		newLicenceSet("assign", true, "Assign a licence to a user",
			`Assign a licence to a user that has none: one that waits for it, or whose licence was withdrawn. One has to be free.`),
		newLicenceSet("withdraw", false, "Withdraw a user's licence",
			`Withdraw a user's licence. It goes to the user that waits longest; the one that it is taken from doesn't wait, and
gets one by "postroom licence assign" only. A user that waits is taken out of the line.`),
	)
}

func newLicenceList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List who has a licence and who waits for one",
		Long: `List who has a licence and who waits for one: first those that have one, then those that wait, longest first, then
those whose licence was withdrawn.`,
		Example: `  postroom licence list
  postroom licence list --json | jq '.licences - .assigned'`,
		Args: takes(),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		total, err := askLicences(cmd)
		if err != nil {
			return err
		}
		users, err := askUsers(cmd)
		if err != nil {
			return err
		}
		r := newLicenceReport(total, users)
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), r)
		}
		return printLicences(cmd.OutOrStdout(), r, users, time.Local)
	}
	return cmd
}

// askLicences asks the box how many licences its settings give.
func askLicences(cmd *cobra.Command) (int, error) {
	var answer contract.GetSettingsResponse
	if err := ask(cmd, "GetSettings", &contract.GetSettingsRequest{}, &answer); err != nil {
		return 0, err
	}
	var shown struct{ Users struct{ Licences int } } // not settings.Parse: a secret is masked
	err := toml.Unmarshal([]byte(answer.Toml), &shown)
	return shown.Users.Licences, err
}

// licenceReport is the shape of licence list --json. Programs rely on it.
type licenceReport struct {
	Licences  int                 `json:"licences"`
	Assigned  int                 `json:"assigned"`
	Waiting   int                 `json:"waiting"`
	Withdrawn int                 `json:"withdrawn"`
	Users     []licenceUserReport `json:"users"`
}

type licenceUserReport struct {
	User    string  `json:"user"`
	Licence string  `json:"licence"`
	Waiting *string `json:"waiting_since"`
}

// newLicenceReport sorts users by what they have.
func newLicenceReport(total int, users []*contract.UserInfo) licenceReport {
	order := []string{licenceAssigned, licenceWaiting, licenceWithdrawn}
	slices.SortStableFunc(users, func(a, b *contract.UserInfo) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, licenceOf(a)), slices.Index(order, licenceOf(b))),
			a.GetWaiting().AsTime().Compare(b.GetWaiting().AsTime()))
	})
	r := licenceReport{Licences: total, Users: []licenceUserReport{}}
	for _, u := range users {
		switch licenceOf(u) {
		case licenceAssigned:
			r.Assigned++
		case licenceWaiting:
			r.Waiting++
		default:
			r.Withdrawn++
		}
		r.Users = append(r.Users, licenceUserReport{u.Name, licenceOf(u), stamp(u.Waiting)})
	}
	return r
}

func printLicences(w io.Writer, r licenceReport, users []*contract.UserInfo, zone *time.Location) error {
	_, err := fmt.Fprintf(w, "%s, %d assigned; %d waiting, %d withdrawn\n", count(uint64(r.Licences), "licence"), r.Assigned, r.Waiting, r.Withdrawn)
	if err != nil || len(users) == 0 {
		return err
	}
	fmt.Fprintln(w)
	t := table{heading: []string{"USER", "LICENCE"}}
	for _, u := range users {
		t.add(printable(u.Name), licenceWords(u, zone))
	}
	return t.print(w)
}

func newLicenceSet(name string, licensed bool, short, long string) *cobra.Command {
	return &cobra.Command{
		Use:               name + " USER",
		Short:             short,
		Long:              long,
		Example:           "  postroom licence " + name + " anna",
		Args:              takes("USER"),
		ValidArgsFunction: completing(userNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			done := "licence withdrawn"
			if licensed {
				done = "licence assigned"
			}
			return askDone(cmd, "SetLicence", &contract.SetLicenceRequest{User: args[0], Licensed: licensed}, "%s: %s", args[0], done)
		},
	}
}
