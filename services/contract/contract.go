// Package contract is the seam between the store and everyone who calls it: the calls (contract.proto and
// its generated code), a client that survives restarts of the store, and the one mapping of errors to what
// crosses a process border.
package contract

import "time"

// MaxPut is the most octets of mail that one call carries, in either direction; a longer mail is uploaded
// in chunks of at most so much. (A ttrpc message holds 4 MiB in all.)
const MaxPut = 1 << 20

// KeepPuts is how long the store remembers the answer to a put's key at least.
const KeepPuts = 24 * time.Hour

// Conditions: what a lasting one in the health table is named.
const (
	ConditionLoginRefused = "login-refused" // subject: account
	ConditionLoginData    = "login-data"    // login data that can't be decrypted; subject: account
	ConditionProvider     = "provider"      // a provider that can't be reached or doesn't do; subject: account
	ConditionDiskFull     = "disk-full"     // intake stops
	ConditionSettings     = "settings"      // a settings file was not applied; subject: its source
	ConditionClock        = "clock"         // the clock is not known to be good: nothing expires
	ConditionDamage       = "damage"        // bytes that don't fit their checksum; subject: where
	ConditionService      = "service"       // a service that doesn't stay up; subject: its name
	ConditionTooLarge     = "too-large"     // a mail over the limit stays at the provider; subject: account
	ConditionStore        = "store"         // the store can't be opened, and nothing is served
	ConditionLicences     = "licences"      // more users have one than the settings allow
	ConditionRelayLogin   = "relay-login"   // a relay refuses login data; subject: account, or a kept login's name
	ConditionIncomplete   = "incomplete"    // mail was let through as incomplete, and stays at the provider; subject: account
)

// Queue names, as logs, status and exports have them.
const (
	QueueHeld      = "held" // for its size: not in the In Queue yet
	QueueIn        = "in"
	QueueOut       = "out"
	QueueRetrieved = "retrieved"
	QueueTransport = "transport" // of no account
)

// VerdictDeliver is the verdict that moves a message to the Out Queue as it is.
const VerdictDeliver = "deliver"

// Profiles, as addresses have them.
const (
	ProfileDefault = "Default"
	ProfileBuiltIn = "Built-in" // holds for a user without a licence, whatever its addresses say
)
