package smtp

import (
	"context"

	"postroom/services/contract"
)

// store is what sessions use of the contract. Every call is repeated until it is answered or its ctx ends.
type store interface {
	Login(context.Context, *contract.LoginRequest) (*contract.LoginResponse, error)
	GetCertificate(context.Context, *contract.GetCertificateRequest) (*contract.GetCertificateResponse, error)
	LookUpSender(context.Context, *contract.LookUpSenderRequest) (*contract.LookUpSenderResponse, error)
	LookUpRecipient(context.Context, *contract.LookUpRecipientRequest) (*contract.LookUpRecipientResponse, error)
	// Submit is SubmitAll of one mail, and gives its id.
	Submit(context.Context, *contract.SubmitMail) (uint64, error)
	BeginUpload(context.Context, *contract.BeginUploadRequest) (*contract.BeginUploadResponse, error)
	AppendUpload(context.Context, *contract.AppendUploadRequest) (*contract.AppendUploadResponse, error)
	AbortUpload(context.Context, *contract.AbortUploadRequest) (*contract.AbortUploadResponse, error)
}

// remoteStore is the store behind its Unix socket.
type remoteStore struct {
	client    *contract.Client[contract.SmtpClient]
	submitter *contract.Submitter // many sessions' mails in one commit
}

func newRemoteStore(client *contract.Client[contract.SmtpClient]) remoteStore {
	return remoteStore{client, contract.NewSubmitter(client)}
}

var _ store = remoteStore{}

func (r remoteStore) Login(ctx context.Context, q *contract.LoginRequest) (*contract.LoginResponse, error) {
	return contract.Call(ctx, r.client, contract.SmtpClient.Login, q)
}

func (r remoteStore) GetCertificate(ctx context.Context, q *contract.GetCertificateRequest) (*contract.GetCertificateResponse, error) {
	return contract.Call(ctx, r.client, contract.SmtpClient.GetCertificate, q)
}

func (r remoteStore) LookUpSender(ctx context.Context, q *contract.LookUpSenderRequest) (*contract.LookUpSenderResponse, error) {
	return contract.Call(ctx, r.client, contract.SmtpClient.LookUpSender, q)
}

func (r remoteStore) LookUpRecipient(ctx context.Context, q *contract.LookUpRecipientRequest) (*contract.LookUpRecipientResponse, error) {
	return contract.Call(ctx, r.client, contract.SmtpClient.LookUpRecipient, q)
}

func (r remoteStore) Submit(ctx context.Context, m *contract.SubmitMail) (uint64, error) {
	return r.submitter.Submit(ctx, m)
}

func (r remoteStore) BeginUpload(ctx context.Context, q *contract.BeginUploadRequest) (*contract.BeginUploadResponse, error) {
	return contract.Call(ctx, r.client, contract.SmtpClient.BeginUpload, q)
}

func (r remoteStore) AppendUpload(ctx context.Context, q *contract.AppendUploadRequest) (*contract.AppendUploadResponse, error) {
	return contract.Call(ctx, r.client, contract.SmtpClient.AppendUpload, q)
}

func (r remoteStore) AbortUpload(ctx context.Context, q *contract.AbortUploadRequest) (*contract.AbortUploadResponse, error) {
	return contract.Call(ctx, r.client, contract.SmtpClient.AbortUpload, q)
}
