package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// printable gives text of others (providers, users) without what a terminal would obey.
func printable(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// size shows octets in three or four digits.
func size(octets uint64) string {
	if octets < 1<<10 {
		return fmt.Sprintf("%d B", octets)
	}
	value := float64(octets) / (1 << 10)
	for _, unit := range []string{"KiB", "MiB", "GiB"} {
		if value < 1023.95 {
			return fmt.Sprintf("%.1f %s", value, unit)
		}
		value /= 1 << 10
	}
	return fmt.Sprintf("%.1f TiB", value)
}

// count is a number of things, such as "1 mail" or "2 mails".
func count(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// moment shows a time to a person in their zone.
func moment(t *timestamppb.Timestamp, zone *time.Location) string {
	if t == nil {
		return "never"
	}
	return t.AsTime().In(zone).Format("2006-01-02 15:04")
}

// stamp is a time as JSON has it: RFC 3339 in UTC, or null.
func stamp(t *timestamppb.Timestamp) *string {
	if t == nil {
		return nil
	}
	text := t.AsTime().Format(time.RFC3339)
	return &text
}

// addJSON gives a command the flag --json.
func addJSON(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print JSON")
}

func printJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

// table prints rows below a heading, in columns. Those of numbers are aligned to the right.
type table struct {
	heading []string
	numbers map[int]bool
	rows    [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) error {
	rows := append([][]string{t.heading}, t.rows...)
	widths := make([]int, len(t.heading))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if t.numbers[i] {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}
