package store

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Argon2id's parameters for new passwords (RFC 9106): 19 MiB in two passes, 23 ms on one core of a PC. More would be better against
// who has stolen the disk, but the store may have half of a box of 192 MiB, mail included; so one password is hashed at a time.
const (
	hashPasses  = 2
	hashMemory  = 19 << 10 // KiB
	hashThreads = 1
	hashSalt    = 16 // octets
	hashSize    = 32 // octets
)

// maxPassword bounds a local user's password, octets.
const maxPassword = 1024

// hashForm is a hash as rows keep it, PHC's string form, up to the salt.
const hashForm = "$argon2id$v=%d$m=%d,t=%d,p=%d$"

// hashPassword gives what is kept of a local user's password.
func (s *Store) hashPassword(password string) string {
	salt := make([]byte, hashSalt)
	rand.Read(salt)
	hash := s.argon2(password, salt, hashPasses, hashMemory, hashThreads, hashSize)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf(hashForm, argon2.Version, hashMemory, hashPasses, hashThreads) + encode(salt) + "$" + encode(hash)
}

// isPassword tells whether a password is the one that a hash was made of, by the parameters that stand in the hash.
func (s *Store) isPassword(kept, password string) bool {
	fields := strings.Split(kept, "$")
	if len(fields) != 6 {
		return false
	}
	var version, memory, passes uint32
	var threads uint8
	if _, err := fmt.Sscanf(strings.Join(fields[:4], "$")+"$", hashForm, &version, &memory, &passes, &threads); err != nil || version != argon2.Version {
		return false
	}
	salt, err := base64.RawStdEncoding.DecodeString(fields[4])
	if err != nil {
		return false
	}
	hash, err := base64.RawStdEncoding.DecodeString(fields[5])
	if err != nil || len(hash) < hashSize || passes < 1 || threads < 1 {
		return false
	}
	return subtle.ConstantTimeCompare(hash, s.argon2(password, salt, passes, memory, threads, uint32(len(hash)))) == 1
}

func (s *Store) argon2(password string, salt []byte, passes, memory uint32, threads uint8, size uint32) []byte {
	s.hashing.Lock()
	defer s.hashing.Unlock()
	return argon2.IDKey([]byte(password), salt, passes, memory, threads, size)
}
