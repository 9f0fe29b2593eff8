package pop3

import (
	"context"

	"postroom/services/contract"
)

// store is the part of the contract that this service uses. Every call is repeated until it is answered or
// its ctx ends.
type store = contract.Pop3Service

// remoteStore is the store behind its Unix socket.
type remoteStore struct {
	client *contract.Client[contract.Pop3Service]
}

var _ store = remoteStore{}

func (r remoteStore) Login(ctx context.Context, q *contract.LoginRequest) (*contract.LoginResponse, error) {
	return contract.Call(ctx, r.client, contract.Pop3Service.Login, q)
}

func (r remoteStore) OpenMailbox(ctx context.Context, q *contract.OpenMailboxRequest) (*contract.OpenMailboxResponse, error) {
	return contract.Call(ctx, r.client, contract.Pop3Service.OpenMailbox, q)
}

func (r remoteStore) EndPoll(ctx context.Context, q *contract.EndPollRequest) (*contract.EndPollResponse, error) {
	return contract.Call(ctx, r.client, contract.Pop3Service.EndPoll, q)
}

func (r remoteStore) ReportDamage(ctx context.Context, q *contract.ReportDamageRequest) (*contract.ReportDamageResponse, error) {
	return contract.Call(ctx, r.client, contract.Pop3Service.ReportDamage, q)
}

func (r remoteStore) GetCertificate(ctx context.Context, q *contract.GetCertificateRequest) (*contract.GetCertificateResponse, error) {
	return contract.Call(ctx, r.client, contract.Pop3Service.GetCertificate, q)
}
