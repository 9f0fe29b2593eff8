package transfer

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"
	"postroom/services/mail"
)

type digest = mail.Digest

// row is a row of the account's ledger.
type row struct {
	id    uint64
	state contract.LedgerState
	uidl  string
	size  uint64
	sha   digest
	head  digest // of the header

	taken bool // a mail of the listing proved to be this one
}

func (r *row) held() bool { return r.state == contract.LedgerState_HELD }

// open tells that the mail may be at the provider still, or again.
func (r *row) open() bool {
	return r.state == contract.LedgerState_STORED || r.state == contract.LedgerState_DELE_SENT
}

// ledger is the part of an account's ledger that a listing can have to do with.
type ledger struct {
	rows   []*row
	byUIDL map[string][]*row
	bySHA  map[digest][]*row
}

func newLedger() *ledger {
	return &ledger{byUIDL: map[string][]*row{}, bySHA: map[digest][]*row{}}
}

// load reads the ledger from the store. What was deleted and isn't listed is left out: nothing is ever
// compared with it.
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
		for _, r := range answer.Rows {
			after = r.Id
			if r.State != contract.LedgerState_DELE_ACKED || listed[string(r.Uidl)] {
				l.add(newRow(r))
			}
		}
		more = answer.More && len(answer.Rows) > 0
	}
	return nil
}

func newRow(r *contract.LedgerRow) *row {
	return &row{
		id: r.Id, state: r.State, uidl: string(r.Uidl), size: r.Size,
		sha: newDigest(r.Sha256), head: newDigest(r.HeaderDigest),
	}
}

func newDigest(b []byte) (d digest) {
	copy(d[:], b)
	return d
}

func (l *ledger) add(r *row) {
	l.rows = append(l.rows, r)
	l.byUIDL[r.uidl] = append(l.byUIDL[r.uidl], r)
	l.bySHA[r.sha] = append(l.bySHA[r.sha], r)
}

// plan is what a session has to do.
type plan struct {
	gone     []*row           // no longer listed
	check    []check          // TOP n 0 may show that it's what is stored
	retrieve []provider.Entry // in this order
	large    []provider.Entry // stay at the provider
}

type check struct {
	entry provider.Entry
	row   *row
}

// compare reconciles the ledger with a listing. Rows that are gone count as deleted from here on.
func (l *ledger) compare(listing *provider.Listing, maxMail uint64) plan {
	var p plan
	listed := map[string]bool{}
	for _, e := range listing.Mails {
		listed[e.UIDL] = true
	}
	twins := map[digest]bool{} // bytes of mails that are held
	for _, r := range l.rows {
		switch {
		case listing.UIDLs && r.uidl != "" && !listed[r.uidl] && (r.open() || r.held()):
			p.gone = append(p.gone, r)
		case r.held():
			twins[r.sha] = true
		}
	}
	order := map[int]int{}
	for _, e := range listing.Mails {
		rows := l.byUIDL[e.UIDL]
		twin := slices.ContainsFunc(rows, func(r *row) bool { return twins[r.sha] })
		switch {
		case e.Size > maxMail:
			p.large = append(p.large, e)
			continue
		case e.Unique && len(rows) == 1 && !rows[0].held() && !twin && rows[0].size == e.Size:
			p.check = append(p.check, check{e, rows[0]})
			continue
		case !twin:
			order[e.Number] = 2
		case slices.ContainsFunc(rows, (*row).held):
			order[e.Number] = 1 // when its twin was seen
		}
		p.retrieve = append(p.retrieve, e)
	}
	slices.SortStableFunc(p.retrieve, func(a, b provider.Entry) int { return cmp.Compare(order[a.Number], order[b.Number]) })
	return p
}

// forget takes rows that are gone out of every comparison.
func (l *ledger) forget(gone []*row) {
	for _, r := range gone {
		r.state = contract.LedgerState_DELE_ACKED
	}
}
