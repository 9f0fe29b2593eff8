package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"postroom/services/contract"

	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/proto"
)

// socketBox is a box on this machine, by its socket for the admin kind of caller.
type socketBox struct {
	path   string
	client *contract.Client[*ttrpc.Client]
}

func socketPath(data string) string { return filepath.Join(hosted(data).run(), "admin.sock") }

// openSocket reaches the box whose data folder it is. A store that only restarts still has its socket.
func openSocket(ctx context.Context, data string) (box, error) {
	path, err := filepath.Abs(socketPath(data))
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, &unreachable{
			where: path, err: rootCause(err),
			advice: fmt.Sprintf("start it by `postroom serve --data %s`, or name another one by --data or --host", data),
		}
	}
	c.Close()
	return socketBox{path, contract.NewClient(path, func(c *ttrpc.Client) *ttrpc.Client { return c })}, nil
}

func (b socketBox) Close() { b.client.Close() }

func (b socketBox) Call(ctx context.Context, method string, request, answer proto.Message) error {
	whole, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	call := func(client *ttrpc.Client, ctx context.Context, request *proto.Message) (*proto.Message, error) {
		return &answer, client.Call(ctx, "postroom.v1.Admin", method, *request, answer)
	}
	_, err := contract.Call(whole, b.client, call, &request)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return &unreachable{
			where: b.path, err: fmt.Errorf("%s got no answer within %v", method, callTimeout),
			advice: "it takes connections, but its store does not answer; its log says more",
		}
	}
	return err
}
