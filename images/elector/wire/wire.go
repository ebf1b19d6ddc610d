// Package wire puts an elector together on the frame that all images share.
package wire

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/relay"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/server"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store/kubernetes"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store/nomad"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store/raft"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/incluster"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/intask"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
)

// Main runs the image as a program whose elections are changed, as tests want it.
func Main(also ...func(*election.Options)) { image.Main(Definition(also...)) }

// Definition is the image.
func Definition(also ...func(*election.Options)) image.Definition[config.Config] {
	return image.Definition[config.Config]{
		Name: "elector", Settings: common,
		Start: func(ctx context.Context, rt *image.Runtime[config.Config]) error { return start(ctx, rt, also) },
	}
}

// common finds what all images have.
func common(c *config.Config) settings.Settings { return c.Settings }

func start(ctx context.Context, rt *image.Runtime[config.Config], also []func(*election.Options)) error {
	c := rt.File.Current()
	table, err := open(c, rt.Log.Logger)
	if err != nil {
		return err
	}
	replicated, _ := table.(*raft.Store)
	calls := counted(table, rt.Metrics)
	told := newCallbacks(c.Callbacks, rt.Log.Logger)
	lease := election.Lease{Duration: c.Lease.Duration.Std(), RenewDeadline: c.Lease.RenewDeadline.Std(), RetryPeriod: c.Lease.RetryPeriod.Std()}
	var forward atomic.Pointer[relay.Relay]
	options := election.Options{
		Store: calls, Clock: election.System(), Member: os.ExpandEnv(c.Member), Address: address(c.Address), Slots: c.Slots, Lease: lease,
		Elections: c.Elections, Sets: c.Sets, Auto: c.Campaign == config.CampaignAuto, Demoted: func(ctx context.Context, election string) {
			told.demoted(ctx, election)
			if r := forward.Load(); r != nil {
				r.Cut(election)
			}
		},
		Unready: c.Application != nil, Log: rt.Log.Logger,
	}
	for _, change := range also {
		change(&options)
	}
	agent := election.New(options)
	told.agent = agent
	rt.Metrics.MustRegister(leads{agent, c.Elections, c.Sets})
	front := server.New(server.Options{
		Agent: agent, Elections: c.Elections, Sets: c.Sets, Auto: c.Campaign == config.CampaignAuto, Lease: lease.Duration, Log: rt.Log.Logger,
	})
	rt.File.OnChange(func(old, changed *config.Config) error {
		was, is := *old, *changed
		was.Settings, is.Settings = settings.Settings{}, settings.Settings{}
		if !reflect.DeepEqual(was, is) {
			return errors.New("the elections cannot change without a restart")
		}
		return nil
	})
	rt.Ready.Add("session", func(context.Context) error {
		if !agent.Joined() {
			return errors.New("the elector has no session yet: it could not be written to the backend, or all slots are taken")
		}
		return nil
	})
	if replicated != nil {
		rt.Metrics.MustRegister(members{replicated})
		rt.Ready.Add("vote", func(context.Context) error { return replicated.Voter() })
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	rt.Log.Info("serving", "address", listener.Addr().String())
	api := &http.Server{Handler: front, ReadHeaderTimeout: 10 * time.Second}
	rt.Process.Go("elect", func(ctx context.Context) error { agent.Run(ctx); return nil })
	rt.Process.Go("tell the application", told.run)
	if c.Application != nil {
		rt.Process.Go("ask the application", func(ctx context.Context) error {
			follow(ctx, *c.Application, agent.SetReady, rt.Log.Logger)
			return nil
		})
	}
	rt.Process.Go("expect renewals", func(ctx context.Context) error { front.Run(ctx); return nil })
	rt.Process.Go("serve", func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { api.Close() })() // a task that ends after the flush would use up the grace
		if err := api.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	rt.Process.OnDrain("hand over", func(ctx context.Context) error { agent.Leave(ctx); return nil })
	if replicated != nil {
		rt.Process.Go("replicate", replicated.Run)
		rt.Process.OnDrain("hand over the log", func(ctx context.Context) error {
			if err := replicated.Transfer(ctx); err != nil { // the others find out by themselves, within a second
				rt.Log.Warn("the others have to elect who leads the log", "error", err.Error())
			}
			return nil
		})
	}
	if err := joined(ctx, agent); err != nil || len(c.Relay.Services) == 0 {
		return err
	}
	// Not before: who connects to one that knows no leader yet would wait.
	r, err := relay.Listen(ctx, relay.Options{Elections: agent, Relay: c.Relay, Log: rt.Log.Logger, Metrics: rt.Metrics})
	if err != nil {
		return err
	}
	forward.Store(r)
	rt.Process.Go("relay", r.Run)
	rt.Process.OnDrain("let connections end", func(ctx context.Context) error {
		most := c.Relay.Drain.Std()
		if end, bounded := ctx.Deadline(); bounded { // those that do not end are cut, which is no failure
			most = min(most, time.Until(end)-cutBefore)
		}
		ctx, cancel := context.WithTimeout(ctx, most)
		defer cancel()
		r.Drain(ctx)
		return nil
	})
	return nil
}

// address of an elector, with the environment put in. Engines that do not know whether a host is an IPv6 address write brackets.
func address(text string) string {
	text = os.ExpandEnv(text)
	if host, port, err := net.SplitHostPort(text); err == nil {
		return net.JoinHostPort(host, port)
	}
	return text
}

// joined waits until the elector takes part, which is when it has started: a new replica counts from then on.
func joined(ctx context.Context, agent *election.Agent) error {
	for {
		changed, _ := agent.Changed()
		if agent.Joined() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// cutBefore the time to drain is over.
const cutBefore = 250 * time.Millisecond

// open the table at the backend.
func open(c *config.Config, log *slog.Logger) (store.Store, error) {
	switch b := c.Backend; {
	case b.Kubernetes != nil:
		return inLeases(c, b.Kubernetes.Prefix+"-", b.Kubernetes.Account)
	case b.Raft != nil:
		s, err := replicate(b.Raft, c.Lease.Duration.Std(), log)
		if err != nil {
			return nil, fmt.Errorf("backend.raft: %w", err)
		}
		return s, nil
	case b.Nomad != nil:
		return inVariables(b.Nomad.Path + "/")
	case os.Getenv(incluster.EnvHost) != "": // by the names that the provider gives
		return inLeases(c, b.Engine.Instance+"-"+b.Engine.Prefix, "")
	default:
		return inVariables("nomad/jobs/" + b.Engine.Instance + "/elections/" + b.Engine.Prefix)
	}
}

func inLeases(c *config.Config, prefix, account string) (store.Store, error) {
	api, err := incluster.New(cmp.Or(account, incluster.Account))
	if err != nil {
		return nil, fmt.Errorf("the table cannot be kept in Leases: %w", err)
	}
	return kubernetes.New(api, prefix, shown(c)), nil
}

func inVariables(prefix string) (store.Store, error) {
	api, err := intask.New()
	if err != nil {
		return nil, fmt.Errorf("the table cannot be kept in variables of Nomad: %w", err)
	}
	return nomad.New(api, prefix), nil
}

// replicate the table among the electors.
func replicate(r *config.Raft, lease time.Duration, log *slog.Logger) (*raft.Store, error) {
	text := os.ExpandEnv(r.Slot)
	slot, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("slot: %s must be a number, got %q", r.Slot, text)
	}
	o := raft.Options{
		Listen: r.Listen, Advertise: address(r.Advertise), Slot: slot, Size: r.Size, Peers: r.Peers, Folder: r.DataDir, Lease: lease, Log: log,
	}
	if host, _, err := net.SplitHostPort(o.Advertise); err != nil || host == "" {
		return nil, fmt.Errorf("advertise: %s must be HOST:PORT, got %q", r.Advertise, o.Advertise)
	}
	if r.SecretFile != "" {
		raw, err := os.ReadFile(r.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("secret_file: %w", err)
		}
		if o.Secret = bytes.TrimSpace(raw); len(o.Secret) == 0 {
			return nil, fmt.Errorf("secret_file: %s is empty", r.SecretFile)
		}
	}
	return raft.Open(o)
}

// shown is what people see of a record in its Lease: of an election who leads, of a slot whose it is.
func shown(c *config.Config) func(key string, value []byte) kubernetes.Shown {
	return func(_ string, value []byte) kubernetes.Shown {
		var is struct {
			Member string `json:"member"`
			Ended  bool   `json:"ended"`
			Seats  map[string]struct {
				Member string `json:"member"`
			} `json:"seats"`
		}
		out := kubernetes.Shown{LeaseDurationSeconds: int(max(time.Second, c.Lease.Duration.Std()) / time.Second)}
		if json.Unmarshal(value, &is) != nil {
			return out
		}
		out.RenewTime = time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
		if out.HolderIdentity = is.Member; is.Ended {
			out.HolderIdentity = ""
		}
		if len(is.Seats) == 1 {
			for _, s := range is.Seats {
				out.HolderIdentity = s.Member
			}
		}
		return out
	}
}
