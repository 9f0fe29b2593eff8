// Command reference writes the page that explains every setting.
package main

import (
	"flag"
	"fmt"
	"os"

	"postroom/services/settings"
)

func main() {
	out := flag.String("o", "settings.md", "the `file` to write")
	flag.Parse()
	if err := os.WriteFile(*out, settings.Reference(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
