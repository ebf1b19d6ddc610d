// Package identity holds the version.
package identity

// Version is set by the build.
var Version = ""
