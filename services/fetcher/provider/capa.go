package provider

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// askCapa asks what the provider offers (RFC 2449 §5). A provider that doesn't know the command offers nothing.
func (c *Conn) askCapa() error {
	c.capa = nil
	err := c.do("CAPA", "CAPA")
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return nil
	}
	if err != nil {
		return err
	}
	capa := map[string]string{}
	err = c.lines("CAPA", maxCapa, func(line string, _ error) error {
		word, rest, _ := strings.Cut(line, " ")
		capa[strings.ToUpper(word)] = rest
		return nil
	})
	c.capa = capa
	return err
}

// LoginDelay is the time that the provider wants between two logins, by its CAPA (RFC 2449 §6.5); 0: it says nothing.
// What EXPIRE says beside it asks for nothing: mail is stored before a session ends.
func (c *Conn) LoginDelay() time.Duration {
	seconds, _, _ := strings.Cut(c.capa["LOGIN-DELAY"], " ")
	n, err := strconv.ParseUint(seconds, 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, longestDelay)
}

// delayOfUser tells that the delay is another one for each user, and known only behind the login.
func (c *Conn) delayOfUser() bool {
	_, rest, _ := strings.Cut(c.capa["LOGIN-DELAY"], " ")
	return strings.EqualFold(strings.TrimSpace(rest), "USER")
}
