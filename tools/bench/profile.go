package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profileVariable names the folder of profiles to the services.
const profileVariable = "POSTROOM_BENCH_PROFILE"

func setProfile(dir string) error {
	if dir == "" {
		return nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.Setenv(profileVariable, dir)
}

// profiled runs a service, under the profiler where that was asked for.
func profiled(name string, service func(args []string) int) int {
	dir := os.Getenv(profileVariable)
	if dir == "" || name == "confine" {
		return service(os.Args)
	}
	f, err := os.Create(filepath.Join(dir, name+".pprof"))
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: no profile:", err)
		return 1
	}
	status := service(os.Args)
	pprof.StopCPUProfile()
	if err := f.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: profile:", err)
		return 1
	}
	return status
}
