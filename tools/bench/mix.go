package main

import (
	"math"
	"math/rand/v2"
)

// The mix of mail that people get: sizes are lognormal around a median, and each so many-th has a size of its own.
const (
	mixMedian     = 8 << 10
	mixSigma      = 1.0 // two thirds are within a factor of e
	mixLeast      = 512
	mixLarge      = 1 << 20
	mixLargeEvery = 100
	mixSeed       = 8192
)

// mailMix gives so many mails of the mix: the same ones in every run.
func mailMix(count int) [][]byte {
	random := rand.New(rand.NewPCG(mixSeed, uint64(count)))
	mails := make([][]byte, count)
	for i := range mails {
		size := mixLarge
		if i%mixLargeEvery != mixLargeEvery/2 {
			size = max(mixLeast, int(mixMedian*math.Exp(mixSigma*random.NormFloat64())))
		}
		mails[i] = sampleMailOf(random, size)
	}
	return mails
}
