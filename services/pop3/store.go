package pop3

import (
	"context"

	"postroom/services/contract"
)

// store is what sessions use of the contract. Every call is repeated until it is answered or its ctx ends.
type store interface {
	Login(context.Context, *contract.LoginRequest) (*contract.LoginResponse, error)
	AwaitFetch(context.Context, *contract.AwaitFetchRequest) (*contract.AwaitFetchResponse, error)
	OpenMailbox(context.Context, *contract.OpenMailboxRequest) (*contract.OpenMailboxResponse, error)
	EndPoll(context.Context, *contract.EndPollRequest) (*contract.EndPollResponse, error)
	ReportDamage(context.Context, *contract.ReportDamageRequest) (*contract.ReportDamageResponse, error)
	GetCertificate(context.Context, *contract.GetCertificateRequest) (*contract.GetCertificateResponse, error)
}

// remoteStore is the store behind its Unix socket.
type remoteStore struct {
	client *contract.Client[contract.Pop3Client]
}

var _ store = remoteStore{}

func (r remoteStore) Login(ctx context.Context, q *contract.LoginRequest) (*contract.LoginResponse, error) {
	return contract.Call(ctx, r.client, contract.Pop3Client.Login, q)
}

func (r remoteStore) AwaitFetch(ctx context.Context, q *contract.AwaitFetchRequest) (*contract.AwaitFetchResponse, error) {
	return contract.Call(ctx, r.client, contract.Pop3Client.AwaitFetch, q)
}

func (r remoteStore) OpenMailbox(ctx context.Context, q *contract.OpenMailboxRequest) (*contract.OpenMailboxResponse, error) {
	return contract.Call(ctx, r.client, contract.Pop3Client.OpenMailbox, q)
}

func (r remoteStore) EndPoll(ctx context.Context, q *contract.EndPollRequest) (*contract.EndPollResponse, error) {
	return contract.Call(ctx, r.client, contract.Pop3Client.EndPoll, q)
}

func (r remoteStore) ReportDamage(ctx context.Context, q *contract.ReportDamageRequest) (*contract.ReportDamageResponse, error) {
	return contract.Call(ctx, r.client, contract.Pop3Client.ReportDamage, q)
}

func (r remoteStore) GetCertificate(ctx context.Context, q *contract.GetCertificateRequest) (*contract.GetCertificateResponse, error) {
	return contract.Call(ctx, r.client, contract.Pop3Client.GetCertificate, q)
}
