package elector

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
)

// engines say that this run is for them: raft has its own, without a tag.
var engines bool

func TestOnRaft(t *testing.T) {
	if engines {
		t.Skip("it needs no engine: go test without the tag does it")
	}
	// More than half of them have to be well, so that there is a table at all.
	succession(t, Plan{Sites: onRaft, Faults: append(Faults, Forget), Calm: 2 * quick.Duration.Std()})
}

// onRaft has a link from each elector to each other. Whoever has a fault has it both ways.
func onRaft(t testing.TB, electors int, _ []string) (all []Site) {
	dir := t.TempDir()
	folder := func(slot int) string { return filepath.Join(dir, fmt.Sprint("slot-", slot)) }
	var addresses []string
	for slot := range electors {
		addresses = append(addresses, freeAddress(t))
		all = append(all, Site{Folder: folder(slot), Backend: config.Backend{Raft: &config.Raft{
			Listen: addresses[slot], Advertise: addresses[slot], Slot: fmt.Sprint(slot), Size: electors,
			Peers: filepath.Join(dir, fmt.Sprint("peers-", slot)), DataDir: folder(slot),
		}}})
	}
	for from := range electors {
		var peers []string
		for to := range electors {
			if from != to {
				link := NewLink(t, addresses[to])
				all[from].Links, all[to].Links = append(all[from].Links, link), append(all[to].Links, link)
				peers = append(peers, link.Address())
			}
		}
		require.NoError(t, os.WriteFile(all[from].Backend.Raft.Peers, []byte(strings.Join(peers, "\n")+"\n"), 0o600))
	}
	return all
}
