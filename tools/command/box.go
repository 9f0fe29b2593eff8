package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postroom/services/contract"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
)

// box is a box that answers the calls of the contract's Admin service, and GetSettings.
type box interface {
	// Call makes one call. The errors are contract's kinds, or an *unreachable.
	Call(ctx context.Context, method string, request, answer proto.Message) error
	Close()
}

// callTimeout is the longest that an answer is awaited; checking 64 MiB on a slow disk takes a while.
const callTimeout = 2 * time.Minute

// openBox reaches the box that --data or --host names.
func openBox(cmd *cobra.Command) (box, error) {
	host, err := cmd.Flags().GetString("host")
	if err != nil {
		return nil, err
	}
	if host == "" {
		data, err := dataDir(cmd)
		if err != nil {
			return nil, err
		}
		return openSocket(cmd.Context(), data)
	}
	if cmd.Flag("data").Changed {
		return nil, usagef("--data and --host name two boxes")
	}
	return openHost(host, cmd.ErrOrStderr())
}

// dataDir is the folder that --data or $POSTROOM_DATA names.
func dataDir(cmd *cobra.Command) (string, error) {
	data, err := cmd.Flags().GetString("data")
	if err == nil && data == "" {
		err = usagef("which box? Give --data DIR or --host NAME, or set POSTROOM_DATA")
	}
	return data, err
}

// with opens the box that the command names, for the time of do.
func with(cmd *cobra.Command, do func(ctx context.Context, b box) error) error {
	b, err := openBox(cmd)
	if err != nil {
		return err
	}
	defer b.Close()
	return do(cmd.Context(), b)
}

// ask makes one call of the box that the command names.
func ask(cmd *cobra.Command, method string, request, answer proto.Message) error {
	return with(cmd, func(ctx context.Context, b box) error { return b.Call(ctx, method, request, answer) })
}

// askStatus asks the box that the command names for its whole status.
func askStatus(cmd *cobra.Command) (status *contract.GetStatusResponse, err error) {
	err = with(cmd, func(ctx context.Context, b box) error {
		status, err = contract.WholeStatus(func(q *contract.GetStatusRequest) (*contract.GetStatusResponse, error) {
			piece := &contract.GetStatusResponse{}
			return piece, b.Call(ctx, "GetStatus", q, piece)
		})
		return err
	})
	return status, err
}

// unreachable says that no box answered, where it was looked for, and what to do.
type unreachable struct {
	where, advice string
	err           error
}

func (e *unreachable) Error() string {
	return fmt.Sprintf("no box answers at %s (%v): %s", e.where, e.err, e.advice)
}

func (e *unreachable) Unwrap() error { return e.err }

// rootCause is the last of a chain of errors, for messages that say the rest themselves.
func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
