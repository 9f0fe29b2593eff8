package command

import (
	"fmt"

	"postroom/tools/command/salvage"

	"github.com/spf13/cobra"
)

func newStoreSalvage() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "salvage DIR --output OUT",
		Short: "Save the mails of a damaged store",
		Long: `Save the mails of a damaged store: every body in it that is still whole goes to a file OUT/<account's id>.mbox.
("account show" tells an account's id; the mails themselves tell whose they are.) Neither index, notes nor key
are needed, and nothing in DIR changes. DIR is a box's data folder, its store's, or that with the files *.seg.

Mail that was dropped, but whose space was not yet given back, is saved too. Each line of a mail ends in LF,
and one that looks like the beginning of the next mail is quoted by ">" (the mboxrd rule). The exit status is
1 when something could not be read to its end.`,
		Example: `  postroom store salvage ~/postroom --output saved
  postroom store salvage /mnt/disk/store --output saved --json`,
		Args: takes("DIR"),
	}
	output := cmd.Flags().StringP("output", "o", "", "folder to write, which must be empty or not exist")
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *output == "" {
			return usagef("%s: --output is missing", short(cmd))
		}
		progress := newProgress(cmd.ErrOrStderr())
		report, err := salvage.Run(args[0], *output, func(segment string) { progress.show("reading " + segment) })
		progress.end()
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), newSalvageReport(report))
		} else {
			err = printSalvage(cmd, report)
		}
		if err == nil && len(report.Problems) > 0 {
			return errTold
		}
		return err
	}
	return cmd
}

// salvageReport is the shape of store salvage --json.
type salvageReport struct {
	Accounts      []savedReport `json:"accounts"`
	Mails         uint64        `json:"mails"`
	Octets        uint64        `json:"octets"`
	Skipped       uint64        `json:"skipped"`
	SkippedOctets uint64        `json:"skipped_octets"`
	Problems      []string      `json:"problems"`
}

type savedReport struct {
	Account string `json:"account"`
	File    string `json:"file"`
	Mails   uint64 `json:"mails"`
	Octets  uint64 `json:"octets"`
}

func newSalvageReport(r *salvage.Report) salvageReport {
	report := salvageReport{
		Accounts: []savedReport{}, Mails: r.Mails, Octets: r.Octets,
		Skipped: r.Skipped, SkippedOctets: r.SkippedOctets, Problems: append([]string{}, r.Problems...),
	}
	for _, a := range r.Accounts {
		report.Accounts = append(report.Accounts, savedReport{a.ID, a.File, a.Mails, a.Octets})
	}
	return report
}

func printSalvage(cmd *cobra.Command, r *salvage.Report) error {
	for _, problem := range r.Problems {
		fmt.Fprintln(cmd.ErrOrStderr(), printable(problem))
	}
	if len(r.Accounts) > 0 {
		t := table{heading: []string{"FILE", "MAILS", "SIZE"}, numbers: map[int]bool{1: true, 2: true}}
		for _, a := range r.Accounts {
			t.add(a.File, fmt.Sprint(a.Mails), size(a.Octets))
		}
		if err := t.print(cmd.OutOrStdout()); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout())
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s whole, %s; skipped: %s without a whole one, %s\n",
		count(r.Mails, "mail"), size(r.Octets), count(r.Skipped, "place"), size(r.SkippedOctets))
	return err
}
