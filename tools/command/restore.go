package command

import (
	"context"
	"fmt"
	"time"

	"postroom/services/contract"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func newAccountRestore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore NAME",
		Short: "Bring back mail that clients have retrieved or deleted",
		Long: `Bring back mail that left an account's queue, because a client retrieved or deleted it: the next poll gets it again, as
new mail. The box keeps such mail for the time of the setting pop3.keep_retrieved (two weeks unless it says otherwise);
"postroom account show" counts it. All of it comes back, or by --since what left at a time or later. The time is a
date ("2026-11-23"), a date with a time ("2026-11-23 14:30", here), or how long ago it is ("36h").`,
		Example: `  postroom account restore myaccount@gmx.de@pop3.gmx.de --since 36h
  postroom account restore myaccount@gmx.de@pop3.gmx.de --since "2026-11-23 14:30"`,
		Args:              takes("NAME"),
		ValidArgsFunction: completeAccounts,
	}
	since := cmd.Flags().String("since", "", "only what left the queue at this `time` or later")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		request := &contract.RestoreMailRequest{Name: args[0]}
		if *since != "" {
			at, err := parseSince(*since, time.Now())
			if err != nil {
				return usagef("%s: --since: %v", short(cmd), err)
			}
			request.Since = timestamppb.New(at)
		}
		restored := uint64(0)
		err := with(cmd, func(ctx context.Context, b box) error {
			for more := true; more; {
				var part contract.RestoreMailResponse
				if err := b.Call(ctx, "RestoreMail", request, &part); err != nil {
					return err
				}
				restored += part.Messages
				more = part.More
			}
			return nil
		})
		if err == nil || restored > 0 {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s restored\n", printable(args[0]), count(restored, "mail"))
		}
		return err
	}
	return cmd
}

// parseSince reads a time, in the zone of now, or how long before now it is.
func parseSince(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil {
		if ago < 0 {
			return time.Time{}, fmt.Errorf("%q is in the future", text)
		}
		return now.Add(-ago), nil
	}
	for _, form := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, time.RFC3339} {
		if at, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf(`%q is no time: write a date ("2026-11-23"), a date with a time ("2026-11-23 14:30"), or how long ago ("36h")`, text)
}
