package store

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"postroom/services/contract"
	"postroom/services/mail"
	"postroom/services/store/engine"
	"postroom/services/store/rows"

	"google.golang.org/protobuf/proto"
)

// ownAddress is the address that a user is made with. A long name makes one that is no address (RFC 5321 §4.5.3.1.3): it is
// the user's all the same, and nobody can send to it.
func ownAddress(name, pseudoDomain string) string {
	quoted := mail.Address{Local: name, Domain: pseudoDomain}.String()
	if _, err := mail.ParseAddress(quoted); err != nil {
		return name + "@" + pseudoDomain
	}
	return quoted
}

// addressKey is the key of an address as a user's row has it.
func addressKey(text string) []byte {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return []byte(strings.ToLower(text))
	}
	return []byte(a.Key())
}

// loadAddress gives whose an address is, nil when it's nobody's.
func loadAddress(r *engine.Reader, key []byte) (*rows.Address, error) {
	value := r.Get(engine.Addresses, key)
	if value == nil {
		return nil, nil
	}
	return parseAddressRow(key, value)
}

// parseAddressRow reads an address's row, one of a version before too: that is the user's key alone.
func parseAddressRow(key, value []byte) (*rows.Address, error) {
	const field1 = 1<<3 | 2 // of protobuf: user. No user's name has a control character.
	if len(value) > 0 && value[0] != field1 {
		return &rows.Address{User: string(value), Profile: contract.ProfileDefault}, nil
	}
	a := &rows.Address{}
	if err := proto.Unmarshal(value, a); err != nil {
		return nil, fmt.Errorf("row of address %q: %w", key, err)
	}
	return a, nil
}

// addAddress gives a user an address that is nobody's yet; who calls saves the user.
func addAddress(t *engine.Txn, u *rows.User, address string, first bool) {
	placeAddress(u, address, first)
	t.Save(engine.Addresses, addressKey(address), &rows.Address{User: string(userKey(u.Name)), Profile: contract.ProfileDefault})
}

// placeAddress puts an address among those of a user.
func placeAddress(u *rows.User, address string, first bool) {
	dropAddress(u, address)
	at := len(u.Addresses)
	if first {
		at = 0
	}
	u.Addresses = slices.Insert(u.Addresses, at, address)
}

func dropAddress(u *rows.User, address string) {
	key := addressKey(address)
	u.Addresses = slices.DeleteFunc(u.Addresses, func(other string) bool { return bytes.Equal(addressKey(other), key) })
}

// passAddress gives an address of one user to another, its profile with it; who calls saves both.
func passAddress(t *engine.Txn, from, to *rows.User, address string) error {
	key := addressKey(address)
	row, err := loadAddress(&t.Reader, key)
	if err != nil {
		return err
	}
	if row == nil {
		row = &rows.Address{Profile: contract.ProfileDefault}
	}
	dropAddress(from, address)
	placeAddress(to, address, false)
	row.User = string(userKey(to.Name))
	t.Save(engine.Addresses, key, row)
	return nil
}

// profileOf is the profile that holds for an address.
func profileOf(u *rows.User, a *rows.Address) string {
	if !u.Licensed {
		return contract.ProfileBuiltIn
	}
	return a.Profile
}

// addressInfo is what commands are told of an address.
func addressInfo(u *rows.User, a *rows.Address, text string) *contract.AddressInfo {
	return &contract.AddressInfo{
		Address: text, User: u.Name, Profile: profileOf(u, a), First: len(u.Addresses) > 0 && u.Addresses[0] == text,
	}
}

// addressText is an address as its user's row has it: with its letters.
func addressText(u *rows.User, key []byte) (string, bool) {
	for _, text := range u.GetAddresses() {
		if bytes.Equal(addressKey(text), key) {
			return text, true
		}
	}
	return "", false
}

// owners looks up users by their keys, and their addresses by theirs, each user once: one may have many.
type owners map[string]*owner

type owner struct {
	*rows.User
	texts map[string]string // of its addresses, by their keys
}

// of gives a user, nil for none.
func (o owners) of(r *engine.Reader, key string) (*owner, error) {
	known, ok := o[key]
	if ok {
		return known, nil
	}
	u, err := loadUser(r, []byte(key))
	if err != nil {
		return nil, err
	}
	if u != nil {
		known = &owner{u, make(map[string]string, len(u.Addresses))}
		for _, text := range u.Addresses {
			known.texts[string(addressKey(text))] = text
		}
	}
	o[key] = known
	return known, nil
}
