// Key writes the public part of this user's client key, which is made when there is none: what an image needs to
// let the user's postroom command in.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"postroom/services/console/api"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: key FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "key:", err)
		os.Exit(1)
	}
}

func run(to string) error {
	folder, err := os.UserConfigDir()
	if err != nil {
		return fmt.Errorf("find the folder of the client key: %w", err)
	}
	key, err := api.LoadOrMakeKey(filepath.Join(folder, "postroom", "client.key"))
	if err != nil {
		return err
	}
	public, err := api.PublicPEM(key)
	if err != nil {
		return err
	}
	return os.WriteFile(to, public, 0o644)
}
