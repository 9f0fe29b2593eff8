package contract

import (
	"context"
	"io"

	"github.com/containerd/log"
	"github.com/containerd/ttrpc"
)

// NewServer gives a server whose handlers, and interceptors, may return any error: it crosses the border by ToStatus.
func NewServer(interceptors ...ttrpc.UnaryServerInterceptor) (*ttrpc.Server, error) {
	log.L.Logger.SetOutput(io.Discard) // ttrpc's own log: it tells of callers that went away, past our log
	return ttrpc.NewServer(
		ttrpc.WithUnaryServerInterceptor(func(ctx context.Context, unmarshal ttrpc.Unmarshaler, _ *ttrpc.UnaryServerInfo, method ttrpc.Method) (any, error) {
			answer, err := method(ctx, unmarshal)
			return answer, ToStatus(err)
		}),
		ttrpc.WithChainUnaryServerInterceptor(interceptors...),
	)
}
