package engine

import (
	"errors"
	"slices"
	"strings"

	"postroom/services/store/notes"

	"go.etcd.io/bbolt"
)

// damageKey is the row of Meta that says, while it is there, that bodies are to be rescued that lost notes named, and in its
// lines which. The transaction that takes the index past the damage writes it, so that no index knows less than it passed,
// be it trusted, closed cleanly, or a checkpoint: the notes behind it don't show the damage again.
var damageKey = []byte("damage")

var errDamage = errors.New("notes are damaged, and the next start rescues what they named")

// Rescued says that all bodies that no row knew have one: recovery may cut off again what no row knows.
func (t *Txn) Rescued() { t.Delete(Meta, damageKey) }

// oweRescue adds damage to what the index says to be rescued, and gives all of it.
func oweRescue(tx *bbolt.Tx, damage []notes.Damage) ([]string, error) {
	meta := tx.Bucket(Meta.key())
	var owed []string
	if b := meta.Get(damageKey); b != nil {
		owed = strings.Split(string(b), "\n")
	}
	for _, d := range damage {
		if text := d.String(); !slices.Contains(owed, text) {
			owed = append(owed, text)
		}
	}
	if len(owed) == 0 {
		return nil, nil
	}
	return owed, meta.Put(damageKey, []byte(strings.Join(owed, "\n")))
}
