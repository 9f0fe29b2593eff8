package transfer

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"
	"postroom/services/mail"

	"google.golang.org/protobuf/types/known/timestamppb"
)

type digest = mail.Digest

// row is a row of the account's ledger.
type row struct {
	id       uint64
	state    contract.LedgerState
	reason   contract.LedgerReason
	uidl     string
	size     uint64
	sha      digest
	head     digest // of the header
	key      digest // what its bytes are known by
	first    time.Time
	changed  time.Time
	octets   uint64
	versions []digest
	accepted bool
	limit    uint64

	moved  bool // its UIDL isn't listed: the mail is gone, or has another name now
	unsure bool // it's taken to be gone since it's not listed: the answer to QUIT got lost
	alone  bool // its mail is listed, and left alone
	taken  bool // a mail that was seen proved to be this one
}

func (r *row) held() bool { return r.state == contract.LedgerState_HELD }

// isTwin tells that another number gave the same bytes, and nothing of this one is stored.
func (r *row) isTwin() bool { return r.held() && !r.heldForSize() }

func (r *row) heldForSize() bool { return r.held() && r.reason == contract.LedgerReason_SIZE }

// left tells that something else was let through in the mail's place. A row that was, and then not listed for a
// while, keeps its reason.
func (r *row) left() bool { return !r.held() && r.reason != contract.LedgerReason_REASON_UNSPECIFIED }

func (r *row) large() bool { return r.left() && r.reason == contract.LedgerReason_LARGE }

// stored tells that the mail may be at the provider still, or again, and isn't needed there.
func (r *row) stored() bool {
	return !r.left() && (r.state == contract.LedgerState_STORED || r.state == contract.LedgerState_DELE_SENT)
}

func (r *row) acked() bool { return r.state == contract.LedgerState_DELE_ACKED }

// ledger is the part of an account's ledger that a listing can have to do with.
type ledger struct {
	rows   []*row
	byUIDL map[string][]*row
	byKey  map[digest][]*row // by key, and by the SHA-256 of every version
}

func newLedger() *ledger {
	return &ledger{byUIDL: map[string][]*row{}, byKey: map[digest][]*row{}}
}

// load reads the ledger from the store. What was deleted and isn't listed is left out, and so is what was deleted and
// never stored whole: nothing is ever compared with it.
func (l *ledger) load(ctx context.Context, store Store, account []byte, listing *provider.Listing) error {
	listed := map[string]bool{}
	for _, e := range listing.Mails {
		if e.UIDL != "" {
			listed[e.UIDL] = true
		}
	}
	for after, more := uint64(0), true; more; {
		answer, err := contract.Call(ctx, store, contract.FetcherService.ListLedger, &contract.ListLedgerRequest{Account: account, After: after})
		if err != nil {
			return fmt.Errorf("list the ledger behind row %d: %w", after, err)
		}
		for _, found := range answer.Rows {
			after = found.Id
			r := newRow(found)
			if r.acked() && (!listed[r.uidl] || r.reason == contract.LedgerReason_SIZE) {
				continue
			}
			l.add(r)
		}
		more = answer.More && len(answer.Rows) > 0
	}
	return nil
}

func newRow(r *contract.LedgerRow) *row {
	known := &row{
		id: r.Id, state: r.State, reason: r.Reason, uidl: string(r.Uidl), size: r.Size,
		sha: newDigest(r.Sha256), head: newDigest(r.HeaderDigest),
		first: moment(r.First), changed: moment(r.Changed), octets: r.Octets, accepted: r.Accepted, limit: r.Limit,
	}
	known.key = known.sha
	if len(r.BodyDigest) == sha256.Size {
		known.key = keyOf(known.head, newDigest(r.BodyDigest))
	}
	for _, v := range r.Versions {
		known.versions = append(known.versions, newDigest(v))
	}
	return known
}

// keyOf is what a mail's bytes are known by: the header without the fields that providers change, and what stands
// behind it. Mails that differ in those fields alone are the same mail.
func keyOf(head, body digest) digest {
	return sha256.Sum256(slices.Concat(head[:], body[:]))
}

func newDigest(b []byte) (d digest) {
	copy(d[:], b)
	return d
}

func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func (l *ledger) add(r *row) {
	l.rows = append(l.rows, r)
	l.byUIDL[r.uidl] = append(l.byUIDL[r.uidl], r)
	if r.large() {
		return // its digests are a notice's
	}
	for _, d := range append([]digest{r.key}, r.versions...) {
		if !slices.Contains(l.byKey[d], r) {
			l.byKey[d] = append(l.byKey[d], r)
		}
	}
}

// find gives the rows that know what RETR gave, and the digest that it's known by. A row of an older version of
// Postroom has no digest of what stands behind the header: it knows its mail by the SHA-256.
func (l *ledger) find(c *content) (rows []*row, key digest) {
	key = keyOf(c.head, c.rest)
	rows = slices.Concat(l.byKey[key], l.byKey[c.sha])
	if slices.ContainsFunc(rows, func(r *row) bool { return r.key == c.sha }) {
		key = c.sha
	}
	return rows, key
}
