package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"postroom/services/contract"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// method is one that can be called.
type method struct {
	call func(ctx context.Context, store *contract.Client[contract.AdminService], request []byte) (answer []byte, err error)

	changes bool // something, so that who called it is logged
}

// methods is all of them by name.
var methods = map[string]method{
	"GetStatus":        reads(contract.AdminService.GetStatus),
	"GetSettings":      reads(contract.AdminService.GetSettings),
	"ShowAccount":      reads(contract.AdminService.ShowAccount),
	"PauseAccount":     changes(contract.AdminService.PauseAccount),
	"ResumeAccount":    changes(contract.AdminService.ResumeAccount),
	"FetchAccount":     changes(contract.AdminService.FetchAccount),
	"AcceptIncomplete": changes(contract.AdminService.AcceptIncomplete),
	"RemoveAccount":    changes(contract.AdminService.RemoveAccount),
	"SetAccount":       changes(contract.AdminService.SetAccount),
	"RestoreMail":      changes(contract.AdminService.RestoreMail),
	"ListMessages":     reads(contract.AdminService.ListMessages),
	"ReadMessage":      reads(contract.AdminService.ReadMessage),
	"CheckSettings":    reads(contract.AdminService.CheckSettings),
	"ApplySettings":    changes(contract.AdminService.ApplySettings),
	"Check":            reads(contract.AdminService.Check),
	"GetFingerprint":   reads(contract.AdminService.GetFingerprint),
	"ListUsers":        reads(contract.AdminService.ListUsers),
	"ShowUser":         reads(contract.AdminService.ShowUser),
	"AddUser":          changes(contract.AdminService.AddUser),
	"SetUserPassword":  changes(contract.AdminService.SetUserPassword),
	"RemoveUser":       changes(contract.AdminService.RemoveUser),
	"MoveAccount":      changes(contract.AdminService.MoveAccount),
	"ListAddresses":    reads(contract.AdminService.ListAddresses),
	"AssignAddress":    changes(contract.AdminService.AssignAddress),
	"RemoveAddress":    changes(contract.AdminService.RemoveAddress),
	"SetLicence":       changes(contract.AdminService.SetLicence),
	"SetLogin":         changes(contract.AdminService.SetLogin),
	"ListLogins":       reads(contract.AdminService.ListLogins),
	"RemoveLogin":      changes(contract.AdminService.RemoveLogin),
	"ListQueue":        reads(contract.AdminService.ListQueue),
	"ShowQueued":       reads(contract.AdminService.ShowQueued),
	"ChangeQueued":     changes(contract.AdminService.ChangeQueued),
	"ListCounters":     reads(contract.AdminService.ListCounters),
}

// message is a pointer to a generated type.
type message[T any] interface {
	*T
	proto.Message
}

// reads makes a method of a call that changes nothing.
func reads[Q, A any, PQ message[Q], PA message[A]](call func(contract.AdminService, context.Context, *Q) (*A, error)) method {
	return method{call: func(ctx context.Context, store *contract.Client[contract.AdminService], text []byte) ([]byte, error) {
		request := new(Q)
		if err := decode(text, PQ(request)); err != nil {
			return nil, err
		}
		answer, err := contract.Call(ctx, store, call, request)
		if err != nil {
			return nil, err
		}
		return encode(PA(answer))
	}}
}

// changes makes a method of a call that changes something.
func changes[Q, A any, PQ message[Q], PA message[A]](call func(contract.AdminService, context.Context, *Q) (*A, error)) method {
	m := reads[Q, A, PQ, PA](call)
	m.changes = true
	return m
}

// decode is strict: a field that isn't known may be one that is misspelt. No text at all is an empty request.
func decode(text []byte, request proto.Message) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	if err := protojson.Unmarshal(text, request); err != nil {
		// protojson varies the spaces behind "proto:" on purpose
		_, problem, _ := strings.Cut(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: ")
		return fmt.Errorf("%w: the request is not the JSON of a %s: %s", contract.ErrInvalid, request.ProtoReflect().Descriptor().Name(), problem)
	}
	return nil
}

// encode writes an answer as scripts want it: the contract's own names, zeros and empty lists as well; only
// messages and times that aren't there are left out. 64-bit numbers are strings, as protobuf's JSON has them.
func encode(answer proto.Message) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	var compact bytes.Buffer // protojson varies its spaces on purpose
	if err := json.Compact(&compact, text); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return append(compact.Bytes(), '\n'), nil
}
