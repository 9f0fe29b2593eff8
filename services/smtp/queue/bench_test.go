package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/smtp/internal/fakestore"
	"postroom/services/smtp/internal/host"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// entries are those of a queue of n mails, to many domains.
func entries(n int, due time.Time) (list []*contract.TransportEntry) {
	for i := range n {
		list = append(list, &contract.TransportEntry{
			Id: uint64(i + 1), Sender: fmt.Sprintf("sender.number.%d@example.org", i%1000),
			Recipients: []*contract.TransportEntryRecipient{{
				Address: fmt.Sprintf("somebody.%d@domain%d.example", i, i%5000), State: contract.RecipientState_WAITING, NextTry: timestamppb.New(due),
			}},
		})
	}
	return list
}

// BenchmarkLoad is how long a runner takes for a queue of 100,000 mails at its start, and what it keeps in memory for each.
func BenchmarkLoad(b *testing.B) {
	const mails = 100_000
	s := parse(b, rule[:len(rule)-len("tls = \"none\"\n")]+"tls = \"none\"\nsender = \"nobody@example.com\"\n")
	list := entries(mails, time.Now().Add(time.Hour))
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := newRunner(Config{Settings: func() *settings.Settings { return s }, Log: slog.New(slog.DiscardHandler)})
		for at := 0; at < mails; at += 1000 {
			r.update(list[at:at+1000], 0)
		}
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/mails, "octets/mail")
		b.StartTimer()
		runtime.KeepAlive(r)
	}
}

// BenchmarkRelay sends small mails to a server on loopback.
func BenchmarkRelay(b *testing.B) {
	h := &host.Host{}
	addr := h.Listen(b).(*net.TCPAddr)
	store := fakestore.New(b)
	s := parse(b, fmt.Sprintf("[[transport_rule]]\nname = \"sink\"\nrelay = \"127.0.0.1:%d\"\ntls = \"none\"\n", addr.Port))
	for range b.N {
		store.Add("", "192.0.2.77", "me@gmx.net", text+string(make([]byte, 4<<10)), "you@c.example")
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	done := make(chan error, 1)
	b.ResetTimer()
	go func() {
		done <- Run(ctx, Config{Store: store, Bodies: store.Folder, Settings: func() *settings.Settings { return s }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	}()
	for store.Left() > 0 {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}
