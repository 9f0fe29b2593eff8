package guest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSerial(nil)
		got := make(chan string, 1)
		go func() {
			line, _ := s.wait(t.Context(), "ready")
			got <- line
		}()
		s.Write([]byte("not yet\r\nrea"))
		synctest.Wait()
		if len(got) > 0 {
			t.Error("half a line was found")
		}
		s.Write([]byte("dy now\r\nmore\r\n"))
		if line := <-got; line != "ready now" {
			t.Errorf("line %q", line)
		}
		if line, err := s.wait(t.Context(), "not"); line != "not yet" || err != nil {
			t.Errorf("what came before: %q, %v", line, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := s.wait(ctx, "never"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("what never comes: %v", err)
		}
		s.end()
		if _, err := s.wait(t.Context(), "never"); !errors.Is(err, ErrEnded) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	got := network(Config{
		Forward: []Forward{{Host: "127.0.0.1:1995", Guest: 995}},
		Provide: []Provide{{Address: "10.0.2.100:995", Command: "/bin/pipe 127.0.0.1 4995"}},
	})
	want := "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:1995-:995,guestfwd=tcp:10.0.2.100:995-cmd:/bin/pipe 127.0.0.1 4995"
	if got != want {
		t.Errorf("network %q, want %q", got, want)
	}
}
