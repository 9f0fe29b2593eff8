// Postroom is one program under many names: init, the services, and the postroom command.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	pid1 "postroom/init"
	"postroom/init/supervisor"
	"postroom/services/console"
	"postroom/services/fetcher"
	"postroom/services/pop3"
	"postroom/services/smtp"
	"postroom/services/store"
	"postroom/services/validator"
)

var programs = map[string]func(args []string) int{
	"init":      pid1.Main,
	"confine":   func(args []string) int { return supervisor.Confine(args[1:]) },
	"store":     store.Main,
	"pop3":      pop3.Main,
	"smtp":      smtp.Main,
	"fetcher":   fetcher.Main,
	"validator": validator.Main,
	"console":   console.Main,
}

func main() {
	name := filepath.Base(os.Args[0])
	run, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s: not a program of Postroom\n", name)
		os.Exit(2)
	}
	os.Exit(run(os.Args))
}
