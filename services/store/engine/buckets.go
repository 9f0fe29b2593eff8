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

	Transport      Bucket = 16 // message id 8 → Transport
	Recipients     Bucket = 17 // message id 8 | part 4, from 1 → Recipients: those that Transport's row has no room for
	Shared         Bucket = 18 // segment 4 | offset 8 → Shared
	Clients        Bucket = 19 // account 16 | IP address 16 → time 8 of a login over POP3
	Correspondents Bucket = 20 // account 16 | keyed hash of an address 16 → day 4; account 16 → count 4 of those
	Logins         Bucket = 21 // name → Login
	Counters       Bucket = 22 // rule NUL destination → Counter
)

var bucketNames = map[Bucket]string{
	Meta: "meta", Segments: "segments", Dropped: "dropped", Accounts: "accounts", AccountNames: "account-names",
	Users: "users", Addresses: "addresses", In: "in", Out: "out", Retrieved: "retrieved", Ledger: "ledger",
	Puts: "puts", Totals: "totals", Conditions: "conditions", Held: "held",
	Transport: "transport", Recipients: "recipients", Shared: "shared", Clients: "clients",
	Correspondents: "correspondents", Logins: "logins", Counters: "counters",
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
