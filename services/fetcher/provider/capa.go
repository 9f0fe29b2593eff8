package provider

import (
	"errors"
	"strings"
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
