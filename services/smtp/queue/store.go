package queue

import (
	"context"

	"postroom/services/contract"
)

// Store is what the runner asks of the store. Its calls are repeated until they are answered, or ctx ends.
type Store interface {
	// Deliver is the runner's life line; it and Logins say "look again".
	Deliver(ctx context.Context, runner uint64) <-chan struct{}
	Logins(ctx context.Context) <-chan struct{}
	ListTransport(context.Context, *contract.ListTransportRequest) (*contract.ListTransportResponse, error)
	BeginDelivery(context.Context, *contract.BeginDeliveryRequest) (*contract.BeginDeliveryResponse, error)
	EndDelivery(context.Context, *contract.EndDeliveryRequest) (*contract.EndDeliveryResponse, error)
	GetLogin(context.Context, *contract.GetLoginRequest) (*contract.GetLoginResponse, error)
	RefuseLogin(context.Context, *contract.RefuseLoginRequest) (*contract.RefuseLoginResponse, error)
	LookUpSender(context.Context, *contract.LookUpSenderRequest) (*contract.LookUpSenderResponse, error)
	LookUpRecipient(context.Context, *contract.LookUpRecipientRequest) (*contract.LookUpRecipientResponse, error)
	ReportDamage(context.Context, *contract.ReportDamageRequest) (*contract.ReportDamageResponse, error)
}

// Remote is the store behind its socket.
func Remote(c *contract.Client[contract.SmtpClient]) Store { return remote{c} }

type remote struct {
	c *contract.Client[contract.SmtpClient]
}

func (r remote) Deliver(ctx context.Context, runner uint64) <-chan struct{} {
	return contract.Deliver(ctx, r.c, runner)
}

func (r remote) Logins(ctx context.Context) <-chan struct{} {
	return contract.Watch(ctx, r.c, contract.Topic_TOPIC_LOGINS)
}

func (r remote) ListTransport(ctx context.Context, q *contract.ListTransportRequest) (*contract.ListTransportResponse, error) {
	return contract.Call(ctx, r.c, contract.SmtpClient.ListTransport, q)
}

func (r remote) BeginDelivery(ctx context.Context, q *contract.BeginDeliveryRequest) (*contract.BeginDeliveryResponse, error) {
	return contract.Call(ctx, r.c, contract.SmtpClient.BeginDelivery, q)
}

func (r remote) EndDelivery(ctx context.Context, q *contract.EndDeliveryRequest) (*contract.EndDeliveryResponse, error) {
	return contract.Call(ctx, r.c, contract.SmtpClient.EndDelivery, q)
}

func (r remote) GetLogin(ctx context.Context, q *contract.GetLoginRequest) (*contract.GetLoginResponse, error) {
	return contract.Call(ctx, r.c, contract.SmtpClient.GetLogin, q)
}

func (r remote) RefuseLogin(ctx context.Context, q *contract.RefuseLoginRequest) (*contract.RefuseLoginResponse, error) {
	return contract.Call(ctx, r.c, contract.SmtpClient.RefuseLogin, q)
}

func (r remote) LookUpSender(ctx context.Context, q *contract.LookUpSenderRequest) (*contract.LookUpSenderResponse, error) {
	return contract.Call(ctx, r.c, contract.SmtpClient.LookUpSender, q)
}

func (r remote) LookUpRecipient(ctx context.Context, q *contract.LookUpRecipientRequest) (*contract.LookUpRecipientResponse, error) {
	return contract.Call(ctx, r.c, contract.SmtpClient.LookUpRecipient, q)
}

func (r remote) ReportDamage(ctx context.Context, q *contract.ReportDamageRequest) (*contract.ReportDamageResponse, error) {
	return contract.Call(ctx, r.c, contract.SmtpClient.ReportDamage, q)
}
