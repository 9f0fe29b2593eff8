package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"sync"

	"postroom/services/contract"

	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// stopped answers in the place of a store whose files are of a version that this program doesn't know: it says so in a
// condition, and touches nothing. Services wait as if the store were starting; the owner's commands are told why.
type stopped struct {
	version   string
	condition *contract.Condition

	mu     sync.Mutex // guards what the supervisor reported last
	report *contract.ReportServicesRequest
}

// serveStopped serves the owner and the supervisor until ctx ends. It never tells READY: that nothing is served is no
// secret.
func serveStopped(ctx context.Context, cfg Config, listeners map[string][]net.Listener, cause error) error {
	text := fmt.Sprintf("the store was written by a newer version of Postroom, and this one leaves it as it is: start that version again (%v)", cause)
	cfg.Log.Error("store doesn't start", "err", cause)
	s := &stopped{version: cfg.Version, condition: &contract.Condition{
		Name: contract.ConditionStore, Text: text, Since: timestamppb.Now(),
	}}
	none := &Store{ending: make(chan struct{})} // for watches: they give their first word, and no other
	var serving sync.WaitGroup
	defer serving.Wait()
	defer close(none.ending)
	for name, answer := range map[string]ttrpc.UnaryServerInterceptor{"admin": s.admin, "init": s.init} {
		server, err := contract.NewServer(answer)
		if err != nil {
			return err
		}
		// What is registered says which calls there are; the interceptor answers them all but Watch.
		kinds[name](none, server)
		for _, l := range listeners[name] {
			serving.Go(func() {
				if err := server.Serve(ctx, contract.Listener(l)); !errors.Is(err, ttrpc.ErrServerClosed) {
					cfg.Log.Error("socket is not served any more", "socket", name, "err", err)
				}
			})
		}
		context.AfterFunc(ctx, func() { server.Close() })
	}
	<-ctx.Done()
	return nil
}

// admin tells the owner why.
func (s *stopped) admin(ctx context.Context, _ ttrpc.Unmarshaler, info *ttrpc.UnaryServerInfo, _ ttrpc.Method) (any, error) {
	if path.Base(info.FullMethod) == "GetStatus" {
		return s.status(), nil
	}
	return nil, fmt.Errorf("%w: %s", contract.ErrUnavailable, s.condition.Text)
}

// init takes reports and gives the status; what else the supervisor asks waits for a store.
func (s *stopped) init(ctx context.Context, unmarshal ttrpc.Unmarshaler, info *ttrpc.UnaryServerInfo, _ ttrpc.Method) (any, error) {
	switch path.Base(info.FullMethod) {
	case "GetStatus":
		return s.status(), nil
	case "ReportServices":
		report := &contract.ReportServicesRequest{}
		if err := unmarshal(report); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.report = report
		return &contract.ReportServicesResponse{}, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *stopped) status() *contract.GetStatusResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := &contract.GetStatusResponse{Version: s.version, Conditions: []*contract.Condition{s.condition}}
	if s.report != nil {
		answer.Services = s.report.Services
	}
	return answer
}
