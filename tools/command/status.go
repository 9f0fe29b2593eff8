package command

import (
	"fmt"
	"io"
	"time"

	"postroom/services/contract"

	"github.com/spf13/cobra"
)

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how a box is",
		Long: `Show how a box is: lasting conditions first (what needs a person), then its services, queues and accounts.

The exit status is 0 when the box answers, ready or not.`,
		Example: `  postroom --data ~/postroom status
  postroom --host mail.example.org status --json | jq '.conditions[].text'`,
		Args: takes(),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		status, err := askStatus(cmd)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), newStatusReport(status))
		}
		return printStatus(cmd.OutOrStdout(), status, time.Local)
	}
	return cmd
}

// The shape of status --json. Programs rely on it.
type statusReport struct {
	Ready      bool              `json:"ready"`
	Version    string            `json:"version"`
	Services   []serviceReport   `json:"services"`
	Accounts   []accountReport   `json:"accounts"`
	Queues     []queueReport     `json:"queues"`
	Conditions []conditionReport `json:"conditions"`
}

type serviceReport struct {
	Name     string `json:"name"`
	State    string `json:"state"`
	Restarts uint32 `json:"restarts"`
	Memory   uint64 `json:"memory"` // octets, proportional set size
}

type queueReport struct {
	Queue    string `json:"queue"`
	Messages uint64 `json:"messages"`
	Octets   uint64 `json:"octets"`
}

type conditionReport struct {
	Name    string  `json:"name"`
	Subject string  `json:"subject"`
	Since   *string `json:"since"`
	Text    string  `json:"text"`
}

func newStatusReport(s *contract.GetStatusResponse) statusReport {
	r := statusReport{
		Ready: s.Ready, Version: s.Version,
		Services: []serviceReport{}, Accounts: newAccountReports(s.Accounts), Queues: newQueueReports(s.Queues), Conditions: []conditionReport{},
	}
	for _, service := range s.Services {
		r.Services = append(r.Services, serviceReport{service.Name, service.State, service.Restarts, service.Memory})
	}
	for _, c := range s.Conditions {
		r.Conditions = append(r.Conditions, conditionReport{c.Name, c.Subject, stamp(c.Since), c.Text})
	}
	return r
}

func newQueueReports(queues []*contract.QueueStatus) []queueReport {
	list := []queueReport{}
	for _, q := range queues {
		list = append(list, queueReport{q.Queue, q.Messages, q.Octets})
	}
	return list
}

func printStatus(w io.Writer, s *contract.GetStatusResponse, zone *time.Location) error {
	for _, c := range s.Conditions {
		about := c.Name
		if c.Subject != "" {
			about += " " + c.Subject
		}
		if _, err := fmt.Fprintf(w, "! %s since %s\n  %s\n", printable(about), moment(c.Since, zone), oneLine(c.Text)); err != nil {
			return err
		}
	}
	if len(s.Conditions) > 0 {
		fmt.Fprintln(w)
	}
	ready := "ready"
	if !s.Ready {
		ready = "not ready"
	}
	fmt.Fprintf(w, "Postroom %s: %s\n\n", printable(s.Version), ready)

	services := table{heading: []string{"SERVICE", "STATE", "RESTARTS", "MEMORY"}, numbers: map[int]bool{2: true, 3: true}}
	for _, service := range s.Services {
		services.add(printable(service.Name), printable(service.State), fmt.Sprint(service.Restarts), size(service.Memory))
	}
	if len(services.rows) > 0 {
		if err := services.print(w); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	if err := printQueues(w, s.Queues); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return printAccounts(w, s.Accounts, zone)
}

func printQueues(w io.Writer, queues []*contract.QueueStatus) error {
	t := table{heading: []string{"QUEUE", "MESSAGES", "SIZE"}, numbers: map[int]bool{1: true, 2: true}}
	for _, q := range queues {
		t.add(printable(q.Queue), fmt.Sprint(q.Messages), size(q.Octets))
	}
	return t.print(w)
}
