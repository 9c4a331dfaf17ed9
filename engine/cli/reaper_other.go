//go:build !linux

package cli

func serveAsInit() {}
