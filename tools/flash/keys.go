package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"postroom/services/console/api"
)

var errDamaged = errors.New("client keys on the disk are damaged")

// mergeKeys adds to a file of client keys those that it doesn't have. What is there stays as it is; errDamaged if
// that can't be read.
func mergeKeys(there, more []byte) ([]byte, error) {
	known, err := api.ParsePublicKeys(there)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	added, err := api.ParsePublicKeys(more)
	if err != nil {
		return nil, fmt.Errorf("client keys of the image: %w", err)
	}
	merged := slices.Clone(there)
	for _, key := range added {
		if slices.ContainsFunc(known, func(one []byte) bool { return bytes.Equal(one, key) }) {
			continue
		}
		known = append(known, key)
		if len(merged) > 0 && !bytes.HasSuffix(merged, []byte("\n")) {
			merged = append(merged, '\n')
		}
		merged = append(merged, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key})...)
	}
	return merged, nil
}
