package validator

import (
	"context"
	"fmt"
	"time"

	"postroom/services/contract"
)

// handle judges a message and settles it, or releases it where the service stops meanwhile.
func (v *validator) handle(ctx, stopping context.Context, one *hand) {
	defer v.hands.leave(one)
	found, err := v.judge(stopping, one.TakeResponse)
	v.hands.judged(one)
	if err != nil {
		v.release(ctx, one)
		return
	}
	if found.remark == remarkDamaged || found.remark == remarkUnreadable {
		v.report(ctx, one, found)
	}
	if !v.settle(ctx, stopping, one, found) {
		v.release(ctx, one)
		return
	}
	attrs := []any{one.logged(), "verdict", found.verdict(), "octets", one.Body.GetLength(), "took", time.Since(one.began)}
	if found.cause != nil {
		attrs = append(attrs, "err", found.cause)
	}
	v.log.Info("message settled", attrs...)
}

// settle has the store move the message, and repeats that until the store did; false once the service stops
// and it didn't.
func (v *validator) settle(ctx, stopping context.Context, one *hand, found finding) bool {
	request := &contract.SettleRequest{
		Worker:  v.worker,
		Id:      one.Id,
		Verdict: contract.VerdictDeliver,
		Prefix:  prefix(found.verdict()),
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		_, err := contract.Call(ctx, v.client, contract.ValidatorClient.Settle, request)
		if err == nil {
			return true
		}
		v.log.Error("message not settled", one.logged(), "err", err)
		if !wait(stopping, pause) {
			return false
		}
	}
}

// report sets the condition that the store, too, sets for the message once pop3 comes upon the damage. The
// message goes on all the same: its account's client is told nothing wrong, for pop3 holds what is damaged.
func (v *validator) report(ctx context.Context, one *hand, found finding) {
	ctx, cancel := context.WithTimeout(ctx, drain)
	defer cancel()
	condition := &contract.Condition{
		Name:    contract.ConditionDamage,
		Subject: fmt.Sprintf("message %d", one.Id),
		Text:    found.cause.Error(),
	}
	_, err := contract.Call(ctx, v.client.Common(), contract.CommonClient.SetCondition, &contract.SetConditionRequest{Condition: condition})
	if err != nil {
		v.log.Error("condition not set", one.logged(), "text", condition.Text, "err", err)
	}
}

// release gives the message back as it was.
func (v *validator) release(ctx context.Context, one *hand) {
	request := &contract.ReleaseRequest{Worker: v.worker, Id: one.Id}
	if _, err := contract.Call(ctx, v.client, contract.ValidatorClient.Release, request); err != nil {
		v.log.Warn("message not released", one.logged(), "err", err)
		return
	}
	v.log.Debug("message released", one.logged())
}
