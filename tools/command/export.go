package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"postroom/services/contract"
	"postroom/tools/command/mbox"

	"github.com/spf13/cobra"
)

func newAccountExport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export NAME",
		Short: "Write all mail that is held for an account as an mbox file",
		Long: `Write all mail that is held for an account as an mbox file: what a second retrieval has to confirm, what waits to be
checked, what waits for the next poll, and what was retrieved and can still be brought back. Nothing of it changes.

Each mail is as a mail client gets it, with the header lines that Postroom puts in front. Lines end in LF, and
one that looks like the beginning of the next mail is quoted by ">" (the mboxrd rule): Thunderbird, mutt and
Python's mailbox.mbox read such files. A mail that can't be read is left out and told, with exit status 1.`,
		Example: `  postroom account export myaccount@gmx.de@pop3.gmx.de --output myaccount.mbox
  postroom --host mail.example.org account export myaccount@gmx.de@pop3.gmx.de | gzip > myaccount.mbox.gz`,
		Args:              takes("NAME"),
		ValidArgsFunction: completeAccounts,
	}
	output := cmd.Flags().StringP("output", "o", "", "file to write, which must not exist; default standard output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return with(cmd, func(ctx context.Context, b box) error {
			to, finish, err := createOutput(cmd, *output)
			if err != nil {
				return err
			}
			e := &exporter{box: b, account: args[0], to: mbox.NewWriter(to), notes: cmd.ErrOrStderr()}
			err = e.run(ctx)
			if err = finish(err); err != nil {
				return err
			}
			fmt.Fprintf(e.notes, "%s, %s\n", count(e.mails, "mail"), size(uint64(e.to.Octets())))
			if e.leftOut > 0 {
				return fmt.Errorf("%s could not be read and left out", count(e.leftOut, "mail"))
			}
			return nil
		})
	}
	return cmd
}

// createOutput gives the file to write, and what ends it: by an error nothing is left behind, else the file is
// durable under its name, for the mail may be removed from the box next.
func createOutput(cmd *cobra.Command, name string) (io.Writer, func(error) error, error) {
	if name == "" {
		return cmd.OutOrStdout(), func(err error) error { return err }, nil
	}
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%q exists already: choose another name", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".")
	if err != nil {
		return nil, nil, err
	}
	return f, func(err error) error {
		if err == nil {
			err = f.Sync()
		}
		if err = errors.Join(err, f.Close()); err == nil {
			err = os.Rename(f.Name(), name)
		}
		if err != nil {
			return errors.Join(err, os.Remove(f.Name()))
		}
		return syncFolder(filepath.Dir(name))
	}, nil
}

func syncFolder(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// exporter writes an account's mail. Mails move from queue to queue meanwhile: one is read whole before any of
// it is written, is looked for in the next queue where it has left one, and is written once.
type exporter struct {
	box     box
	account string
	to      *mbox.Writer
	notes   io.Writer

	done           map[uint64]bool // ids; a message keeps its own in all queues
	spool          *os.File        // the mail that is being read
	mails, leftOut uint64
}

// queues are the queues in the order that a mail goes through them.
var queues = []string{contract.QueueHeld, contract.QueueIn, contract.QueueOut, contract.QueueRetrieved}

func (e *exporter) run(ctx context.Context) (err error) {
	e.done = make(map[uint64]bool)
	if e.spool, err = os.CreateTemp("", "postroom-export-"); err != nil {
		return err
	}
	defer e.spool.Close()
	if err := os.Remove(e.spool.Name()); err != nil { // nobody else needs its name
		return err
	}
	request := &contract.ListMessagesRequest{Name: e.account}
	for more := true; more; {
		var list contract.ListMessagesResponse
		if err := e.box.Call(ctx, "ListMessages", request, &list); err != nil {
			return err
		}
		for _, m := range list.Messages {
			if err := e.export(ctx, m); err != nil {
				return err
			}
		}
		request.Queue, request.After, more = list.Queue, list.After, list.More
	}
	return e.to.Close()
}

func (e *exporter) export(ctx context.Context, m *contract.HeldMessage) error {
	if e.done[m.Id] {
		return nil
	}
	var err error
	for _, queue := range queues[max(0, slices.Index(queues, m.Queue)):] {
		if err = e.read(ctx, queue, m.Id); !errors.Is(err, contract.ErrNotFound) {
			break
		}
	}
	var away *unreachable
	switch {
	case errors.Is(err, contract.ErrNotFound): // dropped meanwhile
		return nil
	case errors.As(err, &away), errors.Is(err, errLocal), ctx.Err() != nil:
		return err
	case err != nil:
		e.leftOut++
		e.done[m.Id] = true
		fmt.Fprintf(e.notes, "postroom: message %d in queue %s is left out: %s\n", m.Id, m.Queue, oneLine(err.Error()))
		return nil
	}
	e.done[m.Id] = true
	e.mails++
	if err := e.to.Begin(m.GetReceived().AsTime()); err != nil {
		return err
	}
	_, err = io.Copy(e.to, e.spool)
	return err
}

// read reads a message into the spool.
func (e *exporter) read(ctx context.Context, queue string, id uint64) error {
	if _, err := e.spool.Seek(0, io.SeekStart); err != nil {
		return spoolError(err)
	}
	if err := e.spool.Truncate(0); err != nil {
		return spoolError(err)
	}
	request := &contract.ReadMessageRequest{Name: e.account, Queue: queue, Id: id}
	for {
		var part contract.ReadMessageResponse
		if err := e.box.Call(ctx, "ReadMessage", request, &part); err != nil {
			return err
		}
		if len(part.Octets) == 0 {
			break
		}
		if _, err := e.spool.Write(part.Octets); err != nil {
			return spoolError(err)
		}
		request.Offset += uint64(len(part.Octets))
	}
	_, err := e.spool.Seek(0, io.SeekStart)
	return spoolError(err)
}

// spoolError is an error of this machine, which ends the export; one of the box may concern one mail alone.
func spoolError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: keep a mail in a temporary file: %w", errLocal, err)
}

var errLocal = errors.New("this machine")
