//go:build !crashpoints

package main

// crashPoint is nothing in a program that is meant for production.
func crashPoint(func(string) string) func(string) { return nil }
