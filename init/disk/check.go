package disk

import (
	"context"
	"fmt"
	"strings"

	"postroom/init/supervisor"
)

// A Runner runs a program to its end, as supervisor.Reaper does.
type Runner interface {
	Run(ctx context.Context, argv ...string) (supervisor.Exit, []byte, error)
}

// Check has e2fsck repair what it can without asking. It gives what was repaired, empty if nothing. After an error
// the file system must not be mounted.
func Check(ctx context.Context, r Runner, device string) (repaired string, err error) {
	exit, output, err := r.Run(ctx, "/sbin/e2fsck", "-p", device)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(output))
	// e2fsck(8): bits. 1: errors corrected, 2: of a mounted one. All others: errors that are left, or it didn't work.
	switch {
	case exit.OK():
		return "", nil
	case exit.Signal == 0 && exit.Status&^3 == 0:
		return text, nil
	default:
		return "", fmt.Errorf("check of %s: %s: %s", device, exit, text)
	}
}
