// Package notes is no program, so it becomes no image.
package notes
