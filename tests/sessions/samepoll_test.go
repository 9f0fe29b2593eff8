package sessions

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postroom/tests/hosted"
)

// With same-poll the first poll gets what is at the provider, the very first of an account too. A provider that is away
// delays a poll by the hold at most, and is no error.
func TestSamePoll(t *testing.T) {
	t.Parallel()
	const hold = 30 * time.Second
	p := hosted.Provider(t)
	box := hosted.Start(t, strings.Replace(hosted.Settings(p), "[pop3]\n", fmt.Sprintf("[pop3]\ndelivery = \"same-poll\"\nhold = %q\n", hold), 1)+
		"\n[fetch]\nschedule = \"0s\"\n")
	for round := range 3 {
		mail := fmt.Appendf(nil, "Subject: round %d\r\n\r\n", round)
		if err := p.Fill(hosted.WebUser, [][]byte{mail}); err != nil {
			t.Fatal(err)
		}
		got, err := box.Poll(hosted.WebName, hosted.Password)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || string(got[0].Octets) != string(hosted.Verdict)+string(mail) {
			t.Errorf("poll %d got %q, want what was put at the provider before it", round, got)
		}
		if left, err := p.Count(hosted.WebUser); err != nil || left != 0 {
			t.Errorf("the provider still holds %d mails, %v", left, err)
		}
	}
	if err := p.Down(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		began := time.Now()
		if got, err := box.Poll(hosted.WebName, hosted.Password); err != nil || len(got) != 0 {
			t.Errorf("while the provider is away: got %q, %v", got, err)
		}
		if took := time.Since(began); took >= hold {
			t.Errorf("while the provider is away and says so, a poll took %v", took)
		}
	}
}
