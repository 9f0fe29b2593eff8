package transfer

import "time"

// Delete says when mail is deleted at the provider, counted from when it was stored first. The zero value means at once.
type Delete struct {
	Never bool
	After time.Duration
}

// due tells whether the policy lets a mail be deleted that was there first at a time. Without a clock nothing is
// deleted by age.
func (s *session) due(first time.Time) bool {
	switch {
	case s.Delete.Never:
		return false
	case s.Delete.After <= 0:
		return true
	}
	return s.ClockGood && !first.IsZero() && !s.began.Before(first.Add(s.Delete.After))
}

// keeps tells that mail may have to stay that is stored.
func (d Delete) keeps() bool { return d.Never || d.After > 0 }
