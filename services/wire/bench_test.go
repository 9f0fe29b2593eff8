package wire_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
	"net/textproto"
	"strings"
	"testing"

	"postroom/services/wire"
)

// bodies are 1 MiB each of what mail is made of.
var bodies = map[string]string{
	"text": strings.Repeat("An ordinary line of a mail, with a sentence. And the beginning of one more\r\n"+
		"... that goes on, e.g. at www.example.org, and is a little shorter.\r\n", 1<<20/145),
	"base64": strings.Repeat(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("post"), 15)[:57])+"\r\n", 1<<20/78),
	"dots":   strings.Repeat(".\r\n", 1<<20/3),
}

func stuffed(body string) string {
	return strings.ReplaceAll("\r\n"+body, "\r\n.", "\r\n..")[2:] + ".\r\n"
}

func BenchmarkDotReader(b *testing.B) {
	for name, body := range bodies {
		input := []byte(stuffed(body))
		ways := map[string]func(io.Reader) (int64, error){
			"WriteTo": func(r io.Reader) (int64, error) {
				return wire.NewConn(&fakeConn{in: r}, wire.Timeouts{}).DotReader(0).WriteTo(io.Discard)
			},
			"Read": func(r io.Reader) (int64, error) {
				d := wire.NewConn(&fakeConn{in: r}, wire.Timeouts{}).DotReader(0)
				return readAll(d)
			},
			"textproto": func(r io.Reader) (int64, error) {
				return readAll(textproto.NewReader(bufio.NewReaderSize(r, 32<<10)).DotReader())
			},
		}
		for _, way := range []string{"WriteTo", "Read", "textproto"} {
			b.Run(name+"/"+way, func(b *testing.B) {
				b.SetBytes(int64(len(input)))
				b.ReportAllocs()
				for b.Loop() {
					if n, err := ways[way](bytes.NewReader(input)); err != nil || n == 0 {
						b.Fatal(n, err)
					}
				}
			})
		}
	}
}

var scratch = make([]byte, 32<<10) // benchmarks run one at a time

func readAll(r io.Reader) (total int64, err error) {
	for {
		n, err := r.Read(scratch)
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// discardConn takes whatever is written.
type discardConn struct{ fakeConn }

func (*discardConn) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkDotWriter(b *testing.B) {
	for name, body := range bodies {
		p := []byte(body)
		b.Run(name+"/Write", func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				d := wire.NewConn(&discardConn{}, wire.Timeouts{}).DotWriter()
				d.Write(p)
				if err := d.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/textproto", func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				d := textproto.NewWriter(bufio.NewWriterSize(io.Discard, 32<<10)).DotWriter()
				d.Write(p)
				if err := d.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadLine(b *testing.B) {
	input := []byte(strings.Repeat("USER myaccount@gmx.de@pop3.gmx.de\r\n", 1000))
	b.SetBytes(int64(len(input)))
	b.ReportAllocs()
	for b.Loop() {
		c := wire.NewConn(&fakeConn{in: bytes.NewReader(input)}, wire.Timeouts{})
		for range 1000 {
			if _, err := c.ReadLine(wire.MaxCommand); err != nil {
				b.Fatal(err)
			}
		}
	}
}
