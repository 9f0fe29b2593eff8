package store

import (
	"strconv"

	"postroom/services/store/engine"
	"postroom/services/store/rows"
)

// licensedKey is Meta's row of how many users have a licence: to count them at each enrolment takes as long as there
// are users.
var licensedKey = []byte("licensed users")

// licensed gives how many users have a licence. A store that has no row for it counts them once.
func licensed(t *engine.Txn) (int, error) {
	if text := t.Get(engine.Meta, licensedKey); text != nil {
		return strconv.Atoi(string(text))
	}
	count := 0
	for key := range t.Scan(engine.Users, nil, nil) {
		var u rows.User
		if _, err := t.Load(engine.Users, key, &u); err != nil {
			return 0, err
		}
		if u.Licensed {
			count++
		}
	}
	return count, nil
}

// takeLicence assigns a licence while any is free, and tells whether one was.
func takeLicence(t *engine.Txn, licences int) (bool, error) {
	count, err := licensed(t)
	if err != nil || count >= licences {
		return false, err
	}
	setLicensed(t, count+1)
	return true, nil
}

// giveLicenceBack is for a user that goes; the user's row is there still.
func giveLicenceBack(t *engine.Txn, u *rows.User) error {
	if !u.Licensed {
		return nil
	}
	count, err := licensed(t)
	if err == nil {
		setLicensed(t, count-1)
	}
	return err
}

func setLicensed(t *engine.Txn, count int) {
	t.Put(engine.Meta, licensedKey, strconv.AppendInt(nil, int64(count), 10))
}
