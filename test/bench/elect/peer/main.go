// Command peer is what the electors are measured beside: client-go's own leader election, used as its example does
// (k8s.io/client-go, examples/leader-election): a LeaseLock, which is released when the context is cancelled.
//
// It says what happens in lines: "knows" when it has seen a leader, "leads NAME" and "stopped NAME". It ends when it leads no
// more, as the example does; a SIGTERM cancels.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

func main() {
	server := flag.String("server", "", "URL of the API server")
	account := flag.String("account", "", "folder of a service account: namespace, token, ca.crt")
	lease := flag.String("lease", "", "name of the Lease, or what those of several begin with")
	n := flag.Int("n", 1, "how many elections")
	id := flag.String("id", "", "identity")
	var c leaderelection.LeaderElectionConfig
	flag.DurationVar(&c.LeaseDuration, "duration", 15*time.Second, "of the lease")
	flag.DurationVar(&c.RenewDeadline, "renew", 10*time.Second, "deadline of renewals")
	flag.DurationVar(&c.RetryPeriod, "retry", 2*time.Second, "period of renewals and of questions")
	flag.Parse()
	c.ReleaseOnCancel = true
	if err := run(*server, *account, *lease, *id, *n, c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(server, account, lease, id string, n int, c leaderelection.LeaderElectionConfig) error {
	namespace, err := os.ReadFile(filepath.Join(account, "namespace"))
	if err != nil {
		return err
	}
	config := &rest.Config{
		Host: server, BearerTokenFile: filepath.Join(account, "token"), TLSClientConfig: rest.TLSClientConfig{CAFile: filepath.Join(account, "ca.crt")},
	}
	if n > 1 {
		config.QPS = -1 // its own limit, of 5 requests a second, is for one election
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var all sync.WaitGroup
	for i := range n {
		name := lease
		if n > 1 {
			name = fmt.Sprint(lease, "-", i)
		}
		c := c
		c.Lock = &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Name: name, Namespace: string(namespace)}, Client: client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: id},
		}
		c.Callbacks = leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { fmt.Println("leads", name) },
			OnStoppedLeading: func() { fmt.Println("stopped", name) },
			OnNewLeader:      func(string) { fmt.Println("knows", name) },
		}
		elector, err := leaderelection.NewLeaderElector(c)
		if err != nil {
			return err
		}
		all.Go(func() { elector.Run(ctx) })
	}
	all.Wait()
	return nil
}
