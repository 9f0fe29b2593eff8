package pop3

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// BenchmarkRETR retrieves in lock-step, as most clients do.
func BenchmarkRETR(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		line := strings.Repeat("x", 74) + "\r\n"
		body := "Subject: bench\r\n\r\n" + strings.Repeat(line, size/len(line))
		for _, way := range []string{"plain", "tls"} {
			b.Run(fmt.Sprintf("%s/%dKiB", way, size>>10), func(b *testing.B) {
				f := newFakeStore(b)
				f.add(b, testPrefix, body)
				box := start(b, f)
				c := dial(b, box.plain)
				if way == "tls" {
					c.nc.Close()
					c = dialTLS(b, box.tls)
				}
				c.want("+OK")
				c.logIn()
				buffer := make([]byte, 256<<10)
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					c.send("RETR 1\r\n")
					c.discard(buffer)
				}
			})
		}
	}
}

// discard reads a multi-line reply to its end.
func (c *client) discard(buffer []byte) {
	end := []byte("\r\n.\r\n")
	kept := 0
	for {
		n, err := c.nc.Read(buffer[kept:])
		if err != nil {
			c.t.Fatal(err)
		}
		all := buffer[:kept+n]
		if bytes.HasSuffix(all, end) {
			return
		}
		kept = copy(buffer, all[max(0, len(all)-len(end)):])
	}
}
