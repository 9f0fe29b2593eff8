package supervisor

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMain makes the test binary all the programs that the tests start: it acts by its name, as postroom does.
func TestMain(m *testing.M) {
	programs := map[string]func(args []string) int{
		stageName: Confine,
		"store":   talker,
		"pop3":    talker,
		"deaf":    talker,
		"crash":   func([]string) int { return 3 },
		"mute":    mute,
		"manager": manager,
		"orphans": orphans,
		"parent":  parent,
	}
	if program := programs[filepath.Base(os.Args[0])]; program != nil {
		os.Exit(program(os.Args[1:]))
	}
	os.Exit(m.Run())
}
