package powercut

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"
)

var (
	seed   = flag.Uint64("seed", 0, "of the random choices; 0: another each time")
	rounds = flag.Int("rounds", 5, "damages of each kind")
)

func TestMain(m *testing.M) {
	ServeIfTold()
	flag.Parse()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	os.Exit(m.Run())
}
