//go:build !unix

package durable

const (
	NonBlock = 0
	noFollow = 0
)
