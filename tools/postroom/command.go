//go:build !appliance

package main

import "postroom/tools/command"

func init() { programs["postroom"] = command.Main }
