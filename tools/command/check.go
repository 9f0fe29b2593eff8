package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"postroom/services/contract"
	"postroom/services/store"

	"github.com/spf13/cobra"
)

func newStoreCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Read all mail of a store and compare it with what is known of it",
		Long: `Read all mail of a store and compare it with what is known of it, its SHA-256 above all. It runs beside a box
that serves; with --data it also checks the store of a box that is stopped, which it recovers first as a start
would. Each problem is told; the exit status is 1 when there are any.`,
		Example: `  postroom --data ~/postroom store check
  postroom --host mail.example.org store check --json`,
		Args: takes(),
	}
	asJSON := addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		check, done, err := openCheck(cmd)
		if err != nil {
			return err
		}
		report, err := checkAll(cmd.Context(), check, newProgress(cmd.ErrOrStderr()))
		if err = errors.Join(err, done()); err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), report)
		} else {
			for _, problem := range report.Problems {
				fmt.Fprintln(cmd.OutOrStdout(), printable(problem))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s, %s, %s\n",
				count(report.Messages, "message"), size(report.Octets), count(uint64(len(report.Problems)), "problem"))
		}
		if err == nil && len(report.Problems) > 0 {
			return errTold
		}
		return err
	}
	return cmd
}

// checkReport is the shape of store check --json.
type checkReport struct {
	Messages uint64   `json:"messages"`
	Octets   uint64   `json:"octets"`
	Problems []string `json:"problems"`
}

// checkCall is Admin.Check of a box, or of a store that was opened here.
type checkCall func(ctx context.Context, request *contract.CheckRequest) (*contract.CheckResponse, error)

func checkAll(ctx context.Context, check checkCall, progress *progress) (checkReport, error) {
	report := checkReport{Problems: []string{}}
	defer progress.end()
	for cursor := []byte(nil); ; {
		answer, err := check(ctx, &contract.CheckRequest{Cursor: cursor})
		if err != nil {
			return report, err
		}
		report.Messages += answer.Messages
		report.Octets += answer.Octets
		report.Problems = append(report.Problems, answer.Problems...)
		progress.show(fmt.Sprintf("%s, %s checked", count(report.Messages, "message"), size(report.Octets)))
		if cursor = answer.Cursor; len(cursor) == 0 {
			return report, nil
		}
	}
}

// openCheck reaches the box, or opens the store of one that doesn't run.
func openCheck(cmd *cobra.Command) (checkCall, func() error, error) {
	b, err := openBox(cmd)
	if err == nil {
		return func(ctx context.Context, request *contract.CheckRequest) (*contract.CheckResponse, error) {
			answer := &contract.CheckResponse{}
			return answer, b.Call(ctx, "Check", request, answer)
		}, func() error { b.Close(); return nil }, nil
	}
	stopped := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
	data, noData := cmd.Flags().GetString("data")
	if !stopped || noData != nil || cmd.Flag("host").Changed {
		return nil, nil, err
	}
	if _, missing := os.Stat(filepath.Join(hosted(data).store(), "notes")); missing != nil {
		return nil, nil, err // no store either: the box's absence is what to tell
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "no box runs in %s: its store is opened here\n", data)
	s, err := openStore(cmd.Context(), data, cmd.ErrOrStderr())
	if err != nil {
		return nil, nil, err
	}
	return s.Admin().Check, s.Close, nil
}

// openStore opens the store of a box in hosted mode that doesn't run.
func openStore(ctx context.Context, data string, log io.Writer) (*store.Store, error) {
	dir := hosted(data)
	if err := mayOpen(dir.store()); err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Config{
		Dir:     dir.store(),
		KeyFile: dir.keyFile(),
		Hosted:  true,
		Version: Version,
		Log:     slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}
