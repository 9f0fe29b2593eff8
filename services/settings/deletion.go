package settings

import "time"

// DeletePolicy says when stored mail is deleted at the provider: a time after it was stored, or one of two words.
type DeletePolicy time.Duration

// The words of provider.delete.
const (
	DeleteAtOnce DeletePolicy = 0
	DeleteNever  DeletePolicy = -1
)

var deletion = policy[DeletePolicy]("at-once", "never", time.Minute, 10*year)

// After is how long stored mail stays at the provider. ok is false where it stays for good.
func (p DeletePolicy) After() (after time.Duration, ok bool) {
	if p == DeleteNever {
		return 0, false
	}
	return time.Duration(p), true
}

func (p DeletePolicy) String() string { return deletion.show(p) }
