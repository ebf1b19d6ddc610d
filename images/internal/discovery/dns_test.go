package discovery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// zone is a DNS server with one name, over UDP.
type zone struct {
	conn net.PacketConn

	mu        sync.Mutex
	addresses []netip.Addr
	code      dnsmessage.RCode
	asked     int
}

func newZone(t *testing.T) *zone {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	z := &zone{conn: conn}
	done := make(chan struct{})
	go func() {
		defer close(done)
		z.serve(t)
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return z
}

func (z *zone) set(code dnsmessage.RCode, addresses ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.code, z.addresses = code, nil
	for _, a := range addresses {
		z.addresses = append(z.addresses, netip.MustParseAddr(a))
	}
}

func (z *zone) questions() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked
}

func (z *zone) serve(t *testing.T) {
	buffer := make([]byte, 1500)
	for {
		n, from, err := z.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if !assert.NoError(t, query.Unpack(buffer[:n])) {
			return
		}
		answer := z.answer(query)
		packed, err := answer.Pack()
		if !assert.NoError(t, err) {
			return
		}
		_, _ = z.conn.WriteTo(packed, from)
	}
}

func (z *zone) answer(query dnsmessage.Message) dnsmessage.Message {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	question := query.Questions[0]
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionAvailable: true, RCode: z.code},
		Questions: query.Questions,
	}
	for _, a := range z.addresses {
		header := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, Type: question.Type, TTL: 1}
		switch {
		case question.Type == dnsmessage.TypeA && a.Is4():
			answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: a.As4()}})
		case question.Type == dnsmessage.TypeAAAA && a.Is6():
			answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return answer
}

func (z *zone) lookup(ctx context.Context, host string) ([]string, error) {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", z.conn.LocalAddr().String())
	}}
	return r.LookupHost(ctx, host)
}

func TestNamesAreResolved(t *testing.T) {
	z := newZone(t)
	z.set(dnsmessage.RCodeSuccess, "10.0.0.2", "10.0.0.1")
	file := filepath.Join(t.TempDir(), "endpoints")
	write(t, file, "leaf.example.:80\nleaf.example.:81\n10.9.9.9:80\n")
	l := followFile(t, Options{Lookup: z.lookup, Every: 20 * time.Millisecond}, file)
	l.waits(t, "10.0.0.1:80 10.0.0.1:81 10.0.0.2:80 10.0.0.2:81 10.9.9.9:80")
	assert.Len(t, l.all(), 1, "the first list waits for names")

	z.set(dnsmessage.RCodeSuccess, "10.0.0.3")
	l.waits(t, "10.0.0.3:80 10.0.0.3:81 10.9.9.9:80")

	z.set(dnsmessage.RCodeServerFailure)
	before := z.questions()
	require.Eventually(t, func() bool { return z.questions() > before+12 }, patience, often)
	assert.Equal(t, "10.0.0.3:80 10.0.0.3:81 10.9.9.9:80", l.last(), "what was known stays")

	z.set(dnsmessage.RCodeSuccess, "2001:db8::1", "2001:db8::2")
	l.waits(t, "10.9.9.9:80 [2001:db8::1]:80 [2001:db8::1]:81 [2001:db8::2]:80 [2001:db8::2]:81")
	z.set(dnsmessage.RCodeSuccess, "2001:db8::1", "10.0.0.4")
	l.waits(t, "10.0.0.4:80 10.0.0.4:81 10.9.9.9:80")

	write(t, file, "10.9.9.9:80\n")
	l.waits(t, "10.9.9.9:80")
	require.Eventually(t, func() bool { return quiet(z.questions) }, patience, often, "somebody asks for a name that is no more")
}

// answers of DNS, by hand and without a network, so that time can be jumped over.
type answers struct {
	mu    sync.Mutex
	hosts []string
	err   error
	asked []time.Time
}

func (a *answers) set(err error, hosts ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hosts, a.err = hosts, err
}

func (a *answers) questions() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.asked)
}

// quiet tells whether nobody asks for the time of several questions.
func quiet(questions func() int) bool {
	before := questions()
	<-time.After(200 * time.Millisecond)
	return questions() == before
}

func (a *answers) lookup(context.Context, string) ([]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, time.Now())
	return a.hosts, a.err
}

func TestWhatDNSSaidLastStaysForAWhile(t *testing.T) {
	absent := &net.DNSError{Err: "no such host", IsNotFound: true}
	for _, test := range []struct {
		name string
		err  error
		keep time.Duration
	}{
		{"five minutes when it fails", errors.New("server misbehaving"), 5 * time.Minute},
		{"ten seconds when it says that there is no such name", absent, 10 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, l := &answers{}, &told{}
				a.set(nil, "10.0.0.1")
				stop := started(t, func(ctx context.Context) {
					New(Options{Lookup: a.lookup, Account: t.TempDir()}).Address(ctx, "leaf:80", l.add)
				})
				defer stop()
				synctest.Wait()
				assert.Equal(t, "10.0.0.1:80", l.last())
				a.set(test.err)
				<-time.After(test.keep - 3*time.Second)
				synctest.Wait()
				assert.Equal(t, "10.0.0.1:80", l.last())
				<-time.After(6 * time.Second)
				synctest.Wait()
				assert.Empty(t, l.last())
				a.set(nil, "10.0.0.2")
				<-time.After(3 * time.Second)
				synctest.Wait()
				assert.Equal(t, "10.0.0.2:80", l.last())
			})
		})
	}
}

func TestDNSIsAskedEveryTwoSecondsOrSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &answers{}
		a.set(nil, "10.0.0.1")
		stop := started(t, func(ctx context.Context) {
			New(Options{Lookup: a.lookup, Account: t.TempDir()}).Address(ctx, "leaf:80", func([]string) {})
		})
		<-time.After(5 * time.Minute)
		stop()
		assert.InDelta(t, 150, len(a.asked), 8)
		same := true
		for i := 2; i < len(a.asked); i++ {
			same = same && a.asked[i].Sub(a.asked[i-1]) == a.asked[1].Sub(a.asked[0])
		}
		assert.False(t, same, "not in step with others")
	})
}

func TestTheFirstListDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &told{}
		hangs := func(ctx context.Context, _ string) ([]string, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		stop := started(t, func(ctx context.Context) {
			New(Options{Lookup: hangs, Account: t.TempDir()}).Address(ctx, "leaf:80", l.add)
		})
		defer stop()
		<-time.After(2 * time.Second)
		synctest.Wait()
		assert.Empty(t, l.all())
		<-time.After(2 * time.Second)
		synctest.Wait()
		assert.Equal(t, [][]string{{}}, l.all())
	})
}
