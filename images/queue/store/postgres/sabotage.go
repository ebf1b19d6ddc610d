package postgres

// sabotage is empty in every release. The fault harness builds servers with -ldflags "-X PACKAGE.sabotage=nofsync" and
// "=nolease", in which commits do not wait for the disk and any lease is good, to show that it would notice.
var sabotage string
