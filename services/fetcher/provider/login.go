package provider

import (
	"time"

	"postroom/services/wire"
)

// goodbye is how long the answer to a QUIT that nothing hangs on is awaited.
const goodbye = 5 * time.Second

// Login logs in by USER and PASS (RFC 1939 §7). A *Refusal says which of them was refused. CAPA is asked again where
// it may say something else now.
func (c *Conn) Login(login string, password wire.Secret) error {
	if err := c.do("USER", "USER "+login); err != nil {
		return err
	}
	c.password = password
	if err := c.send("PASS", "PASS "+password.Reveal(), "PASS [secret]"); err != nil {
		return err
	}
	if err := c.status(); err != nil || !c.delayOfUser() {
		return err
	}
	return c.askCapa()
}

// Quit ends the session. Only nil says that the provider deleted what DELE marked (RFC 1939 §6).
func (c *Conn) Quit() error {
	defer c.Close()
	return c.do("QUIT", "QUIT")
}

// Leave is Quit where nothing was deleted: it doesn't wait long, nor say how it went.
func (c *Conn) Leave() {
	defer time.AfterFunc(goodbye, c.wire.Interrupt).Stop()
	c.Quit()
}
