// Package wire puts an elector together on the frame that all images share.
package wire

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"reflect"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/relay"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/server"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store/kubernetes"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store/nomad"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/incluster"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/intask"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
)

// Definition is the image.
func Definition() image.Definition[config.Config] {
	return image.Definition[config.Config]{Name: "elector", Settings: common, Start: start}
}

// common finds what all images have.
func common(c *config.Config) settings.Settings { return c.Settings }

func start(ctx context.Context, rt *image.Runtime[config.Config]) error {
	c := rt.File.Current()
	table, err := open(c)
	if err != nil {
		return err
	}
	calls := counted(table, rt.Metrics)
	told := newCallbacks(c.Callbacks, rt.Log.Logger)
	lease := election.Lease{Duration: c.Lease.Duration.Std(), RenewDeadline: c.Lease.RenewDeadline.Std(), RetryPeriod: c.Lease.RetryPeriod.Std()}
	var forward *relay.Relay
	agent := election.New(election.Options{
		Store: calls, Clock: election.System(), Member: os.ExpandEnv(c.Member), Address: os.ExpandEnv(c.Address), Slots: c.Slots, Lease: lease,
		Elections: c.Elections, Sets: c.Sets, Auto: c.Campaign == config.CampaignAuto, Demoted: func(ctx context.Context, election string) {
			told.demoted(ctx, election)
			if forward != nil {
				forward.Cut(election)
			}
		},
		Log: rt.Log.Logger,
	})
	told.agent = agent
	if len(c.Relay.Services) > 0 {
		if forward, err = relay.Listen(ctx, relay.Options{Elections: agent, Relay: c.Relay, Log: rt.Log.Logger, Metrics: rt.Metrics}); err != nil {
			return err
		}
		rt.Process.Go("relay", forward.Run)
	}
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
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	rt.Log.Info("serving", "address", listener.Addr().String())
	api := &http.Server{Handler: front, ReadHeaderTimeout: 10 * time.Second}
	rt.Process.Go("elect", func(ctx context.Context) error { agent.Run(ctx); return nil })
	rt.Process.Go("tell the application", told.run)
	rt.Process.Go("expect renewals", func(ctx context.Context) error { front.Run(ctx); return nil })
	rt.Process.Go("serve", func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { api.Close() })() // a task that ends after the flush would use up the grace
		if err := api.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	rt.Process.OnDrain("hand over", func(ctx context.Context) error { agent.Leave(ctx); return nil })
	if forward != nil {
		rt.Process.OnDrain("let connections end", func(ctx context.Context) error {
			most := c.Relay.Drain.Std()
			if end, bounded := ctx.Deadline(); bounded { // those that do not end are cut, which is no failure
				most = min(most, time.Until(end)-cutBefore)
			}
			ctx, cancel := context.WithTimeout(ctx, most)
			defer cancel()
			forward.Drain(ctx)
			return nil
		})
	}
	return nil
}

// cutBefore the time to drain is over.
const cutBefore = 250 * time.Millisecond

// open the table at the backend.
func open(c *config.Config) (store.Store, error) {
	if k := c.Backend.Kubernetes; k != nil {
		api, err := incluster.New(cmp.Or(k.Account, incluster.Account))
		if err != nil {
			return nil, fmt.Errorf("backend.kubernetes: %w", err)
		}
		return kubernetes.New(api, k.Prefix, shown(c)), nil
	}
	api, err := intask.New()
	if err != nil {
		return nil, fmt.Errorf("backend.nomad: %w", err)
	}
	return nomad.New(api, c.Backend.Nomad.Path), nil
}

// shown is what people see of a record in its Lease: of an election who leads, of a slot whose it is.
func shown(c *config.Config) func(key string, value []byte) kubernetes.Shown {
	return func(_ string, value []byte) kubernetes.Shown {
		var is struct {
			Member string `json:"member"`
			Ended  bool   `json:"ended"`
			Seats  map[string]struct {
				Member string `json:"member"`
				Term   int    `json:"term"`
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
				out.HolderIdentity, out.LeaseTransitions = s.Member, s.Term
			}
		}
		return out
	}
}
