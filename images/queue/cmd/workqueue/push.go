package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

const (
	// parallel requests: enough to share a flush of the server's disk.
	parallel = 16
	// Files up to this size travel together.
	smallBytes = 32 << 10
	batchItems = 100
	batchBytes = 1 << 20
)

// A pushed file, or standard input where path is "-".
type pushed struct {
	name, path string
	size       int64
}

// pusher counts what it does.
type pusher struct {
	*program
	template          api.NewItem
	pushed, duplicate atomic.Int64
	bar               *bar
	mu                sync.Mutex
	all               int64
}

func (p *program) push(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("push", flag.ContinueOnError)
	u := &pusher{program: p, bar: &bar{program: p}}
	flags.StringVar(&u.template.Stage, "stage", "", "")
	flags.StringVar(&u.template.Delay, "delay", "", "")
	flags.StringVar(&u.template.Group, "group", "", "")
	prefix := flags.String("prefix", "", "")
	name := flags.String("name", "", "")
	priority := flags.Int("priority", api.DefaultPriority, "")
	rest, err := parse(flags, args)
	if err != nil {
		return err
	}
	u.template.Priority = priority
	if len(rest) == 0 {
		return usageError{"needs files, folders or -"}
	}
	files, err := find(rest, *prefix, *name)
	if err != nil {
		return err
	}
	u.all = int64(len(files))

	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	var batch []pushed
	var bytes int64
	flush := func() {
		if some := batch; len(some) > 0 {
			group.Go(func() error { return u.together(ctx, some) })
		}
		batch, bytes = nil, 0
	}
	for _, f := range files {
		if f.path == "-" || f.size > smallBytes {
			group.Go(func() error { return u.alone(ctx, f) })
			continue
		}
		if len(batch) == batchItems || bytes+f.size > batchBytes {
			flush()
		}
		batch, bytes = append(batch, f), bytes+f.size
	}
	flush()
	err = group.Wait()
	u.bar.end()
	fmt.Fprintf(p.out, "%d pushed, %d were there already\n", u.pushed.Load(), u.duplicate.Load())
	return err
}

// find the files, with the names that they get.
func find(args []string, prefix, name string) ([]pushed, error) {
	var all []pushed
	for _, arg := range args {
		if arg == "-" {
			if name == "" {
				return nil, usageError{"standard input needs a -name"}
			}
			all = append(all, pushed{name: prefix + name, path: "-"})
			continue
		}
		err := filepath.WalkDir(arg, func(file string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			info, err := os.Stat(file) // links are followed
			if err != nil || !info.Mode().IsRegular() {
				return err
			}
			item := path.Base(filepath.ToSlash(arg))
			if file != arg {
				if item, err = filepath.Rel(arg, file); err != nil {
					return err
				}
			}
			all = append(all, pushed{name: prefix + filepath.ToSlash(item), path: file, size: info.Size()})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if name != "" && (len(all) != 1) {
		return nil, usageError{"-name goes with one file"}
	}
	if name != "" {
		all[0].name = prefix + name
	}
	return all, nil
}

// together pushes small files in one step.
func (u *pusher) together(ctx context.Context, files []pushed) error {
	var r api.EnqueueRequest
	for _, f := range files {
		content, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		item := u.template
		item.Name, item.Data = f.name, content
		r.Items = append(r.Items, item)
	}
	var answer api.EnqueueAnswer
	if err := u.queue.post(ctx, "/v1/items", r, &answer); err != nil {
		return err
	}
	var faults []error
	for i, e := range answer.Items {
		if e.Error != nil {
			faults = append(faults, fmt.Errorf("%s: %w", files[i].path, e.Error))
			continue
		}
		u.count(e)
	}
	return errors.Join(faults...)
}

// alone pushes one file as a stream.
func (u *pusher) alone(ctx context.Context, f pushed) error {
	query := url.Values{"priority": {strconv.Itoa(*u.template.Priority)}}
	for k, v := range map[string]string{"stage": u.template.Stage, "delay": u.template.Delay, "group": u.template.Group} {
		if v != "" {
			query.Set(k, v)
		}
	}
	content := func() (io.ReadCloser, int64, error) {
		if f.path == "-" {
			return io.NopCloser(u.in), -1, nil
		}
		file, err := os.Open(f.path)
		return file, f.size, err
	}
	path := "/v1/items/" + escape(f.name) + "?" + query.Encode()
	send := u.queue.send
	if f.path == "-" {
		send = u.queue.once // what was read of it is gone
	}
	answer, err := send(ctx, http.MethodPut, path, "application/octet-stream", content)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	defer answer.Body.Close()
	var e api.Enqueued
	if err := decode(answer, &e); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	if e.Error != nil {
		return fmt.Errorf("%s: %w", f.path, e.Error)
	}
	u.count(e)
	return nil
}

func (u *pusher) count(e api.Enqueued) {
	if e.Duplicate {
		u.duplicate.Add(1)
	} else {
		u.pushed.Add(1)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	done := u.pushed.Load() + u.duplicate.Load()
	u.bar.show(done, u.all, fmt.Sprintf("%d of %d", done, u.all))
}
