package powerloss_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/container-patterns/terraform-provider-pattern/test/powerloss"
)

// A process of its own writes: it maps a file of the disk into its memory, and who serves the disk must never wait for that.
func TestMain(m *testing.M) {
	if path := os.Getenv("POWERLOSS_SQLITE"); path != "" {
		if err := writeRows(path, os.Getenv("POWERLOSS_SYNCHRONOUS")); err != nil {
			fmt.Println("error", err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// writeRows tells first what is there, "have N" for the rows 1 to N, and then each row that is committed, until it is killed.
func writeRows(path, synchronous string) error {
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(wal)&_pragma=synchronous("+synchronous+")&_pragma=wal_autocheckpoint(30)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	var verdict string
	if err := db.QueryRow("pragma integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		return fmt.Errorf("integrity_check: %s: %w", verdict, err)
	}
	if _, err := db.Exec("create table if not exists rows (id integer primary key, content blob not null)"); err != nil {
		return err
	}
	var count, last int
	if err := db.QueryRow("select count(*), coalesce(max(id), 0) from rows").Scan(&count, &last); err != nil {
		return err
	}
	if count != last {
		return fmt.Errorf("%d rows, the last is %d", count, last)
	}
	fmt.Println("have", last)
	for {
		last++
		if _, err := db.Exec("insert into rows values (?, randomblob(abs(random()) % 6000))", last); err != nil {
			return err
		}
		fmt.Println("row", last)
	}
}

// round lets the child write some rows, cuts the power, and says which was the last that was acknowledged.
func round(t *testing.T, d *powerloss.Disk, synchronous string, acknowledged, rows int) (int, error) {
	t.Helper()
	child := exec.Command(os.Args[0]) //nolint:gosec // this test
	child.Env = append(os.Environ(), "POWERLOSS_SQLITE="+filepath.Join(d.Path, "rows.db"), "POWERLOSS_SYNCHRONOUS="+synchronous)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	defer func() {
		_ = child.Process.Signal(syscall.SIGKILL)
		for s := bufio.NewScanner(out); s.Scan(); {
		}
		_ = child.Wait()
		d.Cut() // also where the child could not begin
		d.Restart(t)
	}()
	lines, limit := bufio.NewScanner(out), 1<<60
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		n, _ := strconv.Atoi(rest)
		switch word {
		case "have":
			if n < acknowledged {
				return n, fmt.Errorf("%d rows were acknowledged, %d are there", acknowledged, n)
			}
			limit = n + rows
		case "row":
			acknowledged = n
			if n == limit {
				d.Cut() // while it goes on
			}
		default:
			if limit < 1<<60 && acknowledged >= limit {
				return acknowledged, nil // the cut
			}
			return acknowledged, fmt.Errorf("%s", lines.Text())
		}
	}
	return acknowledged, lines.Err()
}

func TestSQLiteLosesNothingThatItAcknowledged(t *testing.T) {
	d := powerloss.Mount(t, 7)
	acknowledged, cuts := 0, 100
	if testing.Short() {
		cuts = 20
	}
	for cut := range cuts {
		var err error
		acknowledged, err = round(t, d, "full", acknowledged, 1+cut*7%23)
		require.NoError(t, err, "after %d cuts", cut)
	}
	assert.Greater(t, acknowledged, cuts)
	t.Logf("%d rows, %+v", acknowledged, d.Stats())
}

func TestSQLiteWithoutSyncIsCaught(t *testing.T) {
	d := powerloss.Mount(t, 7)
	acknowledged := 0
	for cut := range 100 {
		var err error
		if acknowledged, err = round(t, d, "off", acknowledged, 1+cut*7%23); err != nil {
			t.Logf("after %d cuts: %v", cut, err)
			return
		}
	}
	t.Error("100 cuts, and nothing was lost")
}
