package wire

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/client"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/configfile"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
)

// Leaders writes who leads, as the elector knows it that runs with a configuration: elections by their names, as JSON.
func Leaders(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("elector leaders", flag.ContinueOnError)
	c, err := asked(flags, args)
	if err != nil {
		return err
	}
	names := flags.Args()
	if len(names) == 0 {
		names = slices.Clone(c.Elections)
		for set, shards := range c.Sets {
			for shard := range shards {
				names = append(names, election.ShardName(set, shard))
			}
		}
	}
	ask, all := elector(c), map[string]api.Election{}
	for _, name := range names {
		is, err := ask.Leader(context.Background(), name)
		if err != nil {
			return fmt.Errorf("ask the elector who leads %q: %w", name, err)
		}
		all[name] = is.Election
	}
	return json.NewEncoder(out).Encode(all)
}

// HandOver lets the elector that runs with a configuration hand over an election, waits until another member leads it, and writes what
// has come of it, as an api.HandOver. The error says so, too, if that is not api.HandedOver.
func HandOver(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("elector hand-over", flag.ContinueOnError)
	to := flags.String("to", "", "member that is to lead; default: whoever takes it")
	c, err := asked(flags, args)
	if err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("usage: elector hand-over [-config FILE] [-to MEMBER] ELECTION")
	}
	// The callback, the time that the others may need to hear of it, and as long again.
	ctx, cancel := context.WithTimeout(context.Background(), c.Callbacks.Timeout.Std()+2*c.Lease.Duration.Std()+time.Second)
	defer cancel()
	done, err := handOver(ctx, elector(c), flags.Arg(0), *to)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(done); err != nil {
		return err
	}
	return outcome(done, *to)
}

// asked reads the configuration of the elector that is to be asked.
func asked(flags *flag.FlagSet, args []string) (*config.Config, error) {
	path := flags.String("config", cmp.Or(os.Getenv(image.EnvConfig), image.DefaultConfig), "configuration `file` of the elector that is asked")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	file, err := configfile.Open[config.Config](*path)
	if err != nil {
		return nil, err
	}
	return file.Current(), nil
}

func elector(c *config.Config) *client.Client { return &client.Client{URL: "http://" + c.Listen} }

func handOver(ctx context.Context, ask *client.Client, name, to string) (api.HandOver, error) {
	was, err := ask.Leader(ctx, name)
	if err != nil {
		return api.HandOver{}, fmt.Errorf("ask the elector who leads %q: %w", name, err)
	}
	out := api.HandOver{From: was.Leader, Election: was.Election}
	switch {
	case was.Leader == "":
		out.Outcome = api.Leaderless
		return out, nil
	case to == was.Leader:
		out.Outcome = api.HandedOver
		return out, nil
	case !was.Self:
		out.Outcome = api.Elsewhere
		return out, nil
	}
	err = ask.Resign(ctx, name, cmp.Or(to, client.Anyone))
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == http.StatusConflict && refused.Election != nil {
		out.Election = *refused.Election
		switch {
		case refused.Election.Self:
			out.Outcome = api.Unready
		case refused.Election.Leader == "":
			out.Outcome = api.Leaderless
		default:
			out.Outcome = api.Elsewhere
		}
		return out, nil
	}
	if err != nil {
		return api.HandOver{}, fmt.Errorf("ask the elector to resign from %q: %w", name, err)
	}
	out.Outcome = api.Unfollowed
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	err = ask.Watch(ctx, name, func(is client.Election) {
		if ctx.Err() != nil {
			return
		}
		if out.Election = is.Election; is.Leader == "" {
			return
		}
		if is.Leader != was.Leader {
			out.Outcome = api.HandedOver
		}
		enough() // if it leads again, nobody else has wanted to
	})
	if ctx.Err() == nil {
		return api.HandOver{}, fmt.Errorf("ask the elector who follows: %w", err)
	}
	return out, nil
}

// outcome that is not what was asked for.
func outcome(h api.HandOver, to string) error {
	switch h.Outcome {
	case api.HandedOver:
		return nil
	case api.Elsewhere:
		return fmt.Errorf("%s leads %q: ask its elector", h.Election.Leader, h.Election.Name)
	case api.Leaderless:
		return fmt.Errorf("nobody leads %q", h.Election.Name)
	case api.Unready:
		if to == "" {
			return fmt.Errorf("no other member is ready to lead %q: %s leads on", h.Election.Name, h.Election.Leader)
		}
		return fmt.Errorf("there is no member %q that is ready to lead: %s leads %q on", to, h.Election.Leader, h.Election.Name)
	}
	if h.Election.Leader != "" {
		return fmt.Errorf("nobody else is ready to lead %q: %s leads again", h.Election.Name, h.Election.Leader)
	}
	return fmt.Errorf("%s leads %q no more, and nobody has followed yet", h.From, h.Election.Name)
}
