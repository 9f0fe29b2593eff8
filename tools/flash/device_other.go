//go:build !linux

package main

import (
	"context"
	"errors"
	"os"
)

func deviceNumber(string) (string, error) { return "", errors.ErrUnsupported }

func forget(*os.File) error { return errors.ErrUnsupported }

func reread(context.Context, *os.File) error { return errors.ErrUnsupported }

func terminal(*os.File) bool { return false }
