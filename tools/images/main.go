// Images builds the project's container images with ko into an OCI layout, and pushes a layout to a registry.
//
//	images list  [-root DIR]
//	images build [-root DIR] [-layout DIR] [-cache DIR] [-platforms LIST] [-version V] [NAME...]
//	images debian [-layout DIR] [-cache DIR] FOLDER...
//	images push  -repository HOST/PREFIX [-tag TAG] [-layout DIR] [-digests FILE] [NAME...]
//
// An image is a folder images/NAME of the module at -root that holds a main package. Each is built for every platform
// on a base of certificates and little else, with its SBOM (SPDX) beside it as an OCI referrer, and the same sources
// give the same digest wherever they are built. Variables: SOURCE_DATE_EPOCH sets the creation time (default 0).
//
// Debian makes images of Debian packages, for tests and examples: see package debian.
//
// It is a module of its own, so that what ko links never enters the provider's go.mod.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	log.SetOutput(io.Discard) // ko tells of each step, and warns of a tree with changes; an error says enough
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("images "+verb, flag.ExitOnError)
	root := flags.String("root", ".", "the `folder` of the module that holds images/")
	dir := flags.String("layout", "build/images", "the OCI layout, a `folder`")
	switch verb {
	case "list":
		_ = flags.Parse(args)
		names, err := find(*root)
		fmt.Fprintln(out, strings.Join(names, "\n"))
		return err
	case "build":
		cache := flags.String("cache", "", "`folder` of what is kept between builds (default: cache beside the layout)")
		platforms := flags.String("platforms", "linux/amd64,linux/arm64", "comma-separated")
		version := flags.String("version", "", "the version that the programs report")
		_ = flags.Parse(args)
		b := builder{
			root:      *root,
			cache:     cmp.Or(*cache, filepath.Join(filepath.Dir(filepath.Clean(*dir)), "cache")),
			platforms: strings.Split(*platforms, ","),
			version:   *version,
		}
		return b.buildAll(ctx, *dir, flags.Args(), out)
	case "debian":
		cache := flags.String("cache", "", "`folder` that keeps the packages (default: debs beside the layout)")
		_ = flags.Parse(args)
		return buildDebian(ctx, *dir, cmp.Or(*cache, filepath.Join(filepath.Dir(filepath.Clean(*dir)), "debs")), flags.Args(), out)
	case "push":
		repository := flags.String("repository", "", "where to push: `host/prefix`, to which /NAME is added")
		tag := flags.String("tag", "latest", "the tag")
		digests := flags.String("digests", "", "`file` to write the digests to, as JSON (default: digests.json beside the layout's index)")
		_ = flags.Parse(args)
		return push(ctx, *dir, target{Repository: *repository, Tag: *tag}, cmp.Or(*digests, filepath.Join(*dir, "digests.json")), flags.Args(), out)
	}
	return fmt.Errorf("%q is no command; it is one of list, build, debian, push", verb)
}
