package contract

import (
	"context"

	"github.com/containerd/ttrpc"
)

// NewServer gives a server whose handlers may return any error: it crosses the border by ToStatus.
func NewServer() (*ttrpc.Server, error) {
	return ttrpc.NewServer(
		ttrpc.WithUnaryServerInterceptor(func(ctx context.Context, unmarshal ttrpc.Unmarshaler, _ *ttrpc.UnaryServerInfo, method ttrpc.Method) (any, error) {
			answer, err := method(ctx, unmarshal)
			return answer, ToStatus(err)
		}),
	)
}
