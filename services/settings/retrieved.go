package settings

import (
	"errors"
	"strings"
	"time"
)

// Retrieved says when mail that a client retrieved leaves its Out Queue: a time after it was first retrieved whole, or
// one of two words.
type Retrieved time.Duration

// The words of pop3.retrieved.
const (
	RetrievedExpire    Retrieved = 0  // at the QUIT of the session that retrieved it
	RetrievedUntilDele Retrieved = -1 // when a client deletes it
)

var retrieved = policy[Retrieved]("expire", "until-dele", time.Hour, 10*year)

// ParseRetrieved reads it as the settings file has it, for a single account.
func ParseRetrieved(text string) (Retrieved, error) {
	r, f := retrieved.parse(text)
	if f != nil {
		return 0, errors.New(strings.TrimSuffix(f.wrong+"; "+f.right, "; "))
	}
	return r, nil
}

// After is how long mail stays that was retrieved. ok is false where no time ends that.
func (r Retrieved) After() (after time.Duration, ok bool) {
	if r == RetrievedUntilDele {
		return 0, false
	}
	return time.Duration(r), true
}

func (r Retrieved) String() string { return retrieved.show(r) }
