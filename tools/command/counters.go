package command

import (
	"fmt"
	"time"

	"postroom/services/contract"

	"github.com/spf13/cobra"
)

func newQueueCounters() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "counters",
		Short: "Show what delivery came to, by transport rule and destination",
		Long: `Show what delivery came to, by transport rule and destination: recipients that were delivered to, recipients that
failed for good, and tries that are to be repeated. A line that wasn't used for 30 days is forgotten.`,
		Example: `  postroom queue counters
  postroom queue counters --json | jq '.counters[] | select(.delayed > 100)'`,
		Args: takes(),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var answer contract.ListCountersResponse
		if err := ask(cmd, "ListCounters", &contract.ListCountersRequest{}, &answer); err != nil {
			return err
		}
		if *asJSON {
			list := []counterReport{}
			for _, c := range answer.Counters {
				list = append(list, counterReport{c.Rule, c.Destination, c.Delivered, c.Failed, c.Delayed, stamp(c.Last)})
			}
			return printJSON(cmd.OutOrStdout(), map[string]any{"counters": list})
		}
		if len(answer.Counters) == 0 {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "No mail was sent yet.")
			return err
		}
		t := table{
			heading: []string{"RULE", "DESTINATION", "DELIVERED", "FAILED", "DELAYED", "LAST"},
			numbers: map[int]bool{2: true, 3: true, 4: true},
		}
		for _, c := range answer.Counters {
			t.add(printable(c.Rule), printable(c.Destination), fmt.Sprint(c.Delivered), fmt.Sprint(c.Failed), fmt.Sprint(c.Delayed), moment(c.Last, time.Local))
		}
		return t.print(cmd.OutOrStdout())
	}
	return cmd
}

type counterReport struct {
	Rule        string  `json:"rule"`
	Destination string  `json:"destination"`
	Delivered   uint64  `json:"delivered"`
	Failed      uint64  `json:"failed"`
	Delayed     uint64  `json:"delayed"`
	Last        *string `json:"last"`
}
