package store

import (
	"context"
	"fmt"

	"postroom/services/contract"
)

// common serves every kind of caller.
type common struct {
	*Store
	secrets bool // this kind of caller serves TLS, and gets its key
}

func (c common) Watch(ctx context.Context, q *contract.WatchRequest, stream contract.Common_WatchServer) error {
	if _, ok := contract.Topic_name[int32(q.Topic)]; !ok || q.Topic == contract.Topic_TOPIC_UNSPECIFIED {
		return contract.ToStatus(fmt.Errorf("%w: no topic %v", contract.ErrInvalid, q.Topic))
	}
	look, stop := c.look.watch(q.Topic)
	defer stop()
	return contract.ToStatus(c.speak(ctx, look, stream))
}

func (c common) GetSettings(context.Context, *contract.GetSettingsRequest) (*contract.GetSettingsResponse, error) {
	s := c.settings.Load()
	if !c.secrets {
		s = s.WithoutSecrets()
	}
	return &contract.GetSettingsResponse{Toml: string(s.Encode())}, nil
}

func (c common) SetCondition(ctx context.Context, q *contract.SetConditionRequest) (*contract.SetConditionResponse, error) {
	if q.Condition.GetName() == "" {
		return nil, fmt.Errorf("%w: a condition needs a name", contract.ErrInvalid)
	}
	err := c.keepCondition(ctx, !q.Clear, q.Condition.Name, q.Condition.Subject, q.Condition.Text)
	return &contract.SetConditionResponse{}, err
}
