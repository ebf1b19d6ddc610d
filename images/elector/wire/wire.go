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
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
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

// Definition is the image.
func Definition() image.Definition[config.Config] {
	return image.Definition[config.Config]{Name: "elector", Settings: common, Start: start}
}

// common finds what all images have.
func common(c *config.Config) settings.Settings { return c.Settings }

func start(_ context.Context, rt *image.Runtime[config.Config]) error {
	c := rt.File.Current()
	table, err := open(c, rt.Log.Logger)
	if err != nil {
		return err
	}
	replicated, _ := table.(*raft.Store)
	calls := counted(table, rt.Metrics)
	told := newCallbacks(c.Callbacks, rt.Log.Logger)
	lease := election.Lease{Duration: c.Lease.Duration.Std(), RenewDeadline: c.Lease.RenewDeadline.Std(), RetryPeriod: c.Lease.RetryPeriod.Std()}
	agent := election.New(election.Options{
		Store: calls, Clock: election.System(), Member: os.ExpandEnv(c.Member), Address: os.ExpandEnv(c.Address), Slots: c.Slots, Lease: lease,
		Elections: c.Elections, Sets: c.Sets, Auto: c.Campaign == config.CampaignAuto, Demoted: told.demoted, Log: rt.Log.Logger,
	})
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
	return nil
}

// open the table at the backend.
func open(c *config.Config, log *slog.Logger) (store.Store, error) {
	if k := c.Backend.Kubernetes; k != nil {
		api, err := incluster.New(cmp.Or(k.Account, incluster.Account))
		if err != nil {
			return nil, fmt.Errorf("backend.kubernetes: %w", err)
		}
		return kubernetes.New(api, k.Prefix, shown(c)), nil
	}
	if r := c.Backend.Raft; r != nil {
		s, err := replicate(r, c.Lease.Duration.Std(), log)
		if err != nil {
			return nil, fmt.Errorf("backend.raft: %w", err)
		}
		return s, nil
	}
	api, err := intask.New()
	if err != nil {
		return nil, fmt.Errorf("backend.nomad: %w", err)
	}
	return nomad.New(api, c.Backend.Nomad.Path), nil
}

// replicate the table among the electors.
func replicate(r *config.Raft, lease time.Duration, log *slog.Logger) (*raft.Store, error) {
	text := os.ExpandEnv(r.Slot)
	slot, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("slot: %s must be a number, got %q", r.Slot, text)
	}
	o := raft.Options{
		Listen: r.Listen, Advertise: os.ExpandEnv(r.Advertise), Slot: slot, Size: r.Size, Peers: r.Peers, Folder: r.DataDir, Lease: lease, Log: log,
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
