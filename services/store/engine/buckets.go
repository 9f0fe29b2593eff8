package engine

import "fmt"

// Bucket is a kind of rows. Notes carry its number, which is never reused; the index has it under its name.
type Bucket uint8

// The buckets, with their keys (numbers big-endian, so that they sort) and values (messages of package rows).
const (
	Meta         Bucket = 1  // name → octets of its own form
	Segments     Bucket = 2  // number 4 → Segment
	Dropped      Bucket = 3  // time 8 | segment 4 | offset 8 → Body
	Accounts     Bucket = 4  // id 16 → Account
	AccountNames Bucket = 5  // identity of a compound name → id
	Users        Bucket = 6  // name → User
	Addresses    Bucket = 7  // address → Address; by versions before the user's key
	In           Bucket = 8  // message id 8 → Message
	Out          Bucket = 9  // account 16 | message id 8 → Message
	Retrieved    Bucket = 10 // account 16 | message id 8 → Message
	Ledger       Bucket = 11 // account 16 | row id 8 → Ledger
	Puts         Bucket = 12 // key 16 → Put
	Totals       Bucket = 13 // queue 1 [| account 16] → Total
	Conditions   Bucket = 14 // name NUL subject → Condition
	Held         Bucket = 15 // account 16 | message id 8 → Message; the id is its ledger row's, too
)

var bucketNames = map[Bucket]string{
	Meta: "meta", Segments: "segments", Dropped: "dropped", Accounts: "accounts", AccountNames: "account-names",
	Users: "users", Addresses: "addresses", In: "in", Out: "out", Retrieved: "retrieved", Ledger: "ledger",
	Puts: "puts", Totals: "totals", Conditions: "conditions", Held: "held",
}

func (b Bucket) String() string {
	if name, ok := bucketNames[b]; ok {
		return name
	}
	return fmt.Sprintf("bucket %d", uint8(b))
}

// bucketKeys are the names as bbolt takes them, made once: each row that is read needs one.
var bucketKeys = func() (keys [1 << 8][]byte) {
	for b, name := range bucketNames {
		keys[b] = []byte(name)
	}
	return keys
}()

func (b Bucket) key() []byte { return bucketKeys[b] }
