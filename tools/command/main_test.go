package command

import (
	"fmt"
	"os"
	"testing"

	"postroom/services/console"
)

// runAs tells the test's program to be another one.
const runAs = "POSTROOM_TEST_RUN_AS"

func TestMain(m *testing.M) {
	switch os.Getenv(runAs) {
	case "console":
		os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid())) // whoever starts it can't know it
		os.Exit(console.Main(os.Args))
	case "postroom":
		os.Exit(Main(os.Args))
	}
	os.Exit(m.Run())
}
