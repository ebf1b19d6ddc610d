package debian

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const nginx = "../../../test/images/nginx"

// unpack lays an image out in a folder, as a container runtime does.
func unpack(t *testing.T, folder, cache string) string {
	t.Helper()
	image, err := Build(t.Context(), folder, cache, time.Unix(0, 0))
	require.NoError(t, err)
	root := t.TempDir()
	r := mutate.Extract(image)
	defer r.Close()
	untar := exec.CommandContext(t.Context(), "tar", "-x", "--no-same-owner", "-C", root)
	untar.Stdin = r
	out, err := untar.CombinedOutput()
	require.NoError(t, err, string(out))
	return root
}

func needApt(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("this machine has no apt-get: images of Debian packages are made on Debian")
	}
}

func TestAProgramOfTheImageRunsOnTheImagesLibrariesAlone(t *testing.T) {
	needApt(t)
	root := unpack(t, nginx, t.TempDir())
	c := exec.CommandContext(t.Context(), "chroot", root, "/usr/sbin/nginx", "-e", "stderr", "-v")
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "nginx version: nginx/")

	out, err = exec.CommandContext(t.Context(), "chroot", root, "/bin/sh", "-c", "cat /var/lib/dpkg/status.d/nginx").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "Status: install ok installed", "scanners find the packages")
	assert.FileExists(t, filepath.Join(root, "usr/share/doc/nginx/copyright"))
	assert.NoDirExists(t, filepath.Join(root, "usr/share/man"))
}

func TestTheSamePackagesGiveTheSameDigest(t *testing.T) {
	needApt(t)
	cache := t.TempDir()
	first, err := Build(t.Context(), nginx, cache, time.Unix(0, 0))
	require.NoError(t, err)
	again, err := Build(t.Context(), nginx, cache, time.Unix(0, 0))
	require.NoError(t, err)
	one, err := first.Digest()
	require.NoError(t, err)
	two, err := again.Digest()
	require.NoError(t, err)
	assert.Equal(t, one, two)
}

func TestAnImageThatCannotRunIsRefused(t *testing.T) {
	needApt(t)
	for name, c := range map[string]struct{ recipe, says string }{
		"a library is missing":             {"packages: [nginx]\nwithout: [debconf, iproute2, zlib1g]\nentrypoint: [/usr/sbin/nginx]", "/usr/sbin/nginx needs libz.so.1"},
		"the entrypoint is in no package":  {"packages: [zlib1g]\nentrypoint: [/usr/sbin/nginx]", "the entrypoint /usr/sbin/nginx is in no package"},
		"a link leads nowhere":             {"packages: [zlib1g]\nlinks: {/bin/sh: dash}\nentrypoint: [/x]", "links: /bin/sh: dash is in no package"},
		"a key is written wrongly":         {"package: [nginx]\nentrypoint: [/x]", `unknown field "package"`},
		"a package that apt does not know": {"packages: [no-such-package-anywhere]\nentrypoint: [/x]", "no-such-package-anywhere"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(folder, "image.yaml"), []byte(c.recipe), 0o644))
			_, err := Build(t.Context(), folder, filepath.Join(t.TempDir(), "debs"), time.Unix(0, 0))
			assert.ErrorContains(t, err, c.says)
		})
	}
}

func TestParseReadsDependencies(t *testing.T) {
	p := parse("Package: a\nVersion: 1:2\nArchitecture: amd64\nPre-Depends: libc6 (>= 2.3)\nDepends: debconf (>= 0.5) | debconf-2.0, perl:any\nSHA256: 00\nFilename: pool/a.deb")
	assert.Equal(t, []string{"libc6", "debconf", "perl"}, p.depends)
	assert.Equal(t, "1:2", p.version)
	assert.NotContains(t, p.stanza, "pool/", "where a package came from is of no interest to the image")
}

func TestTreeMergesUsrAndFollowsLinks(t *testing.T) {
	tr := newTree(nil, []string{"/usr/share/man/man7"})
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "./lib/x/libz.so.1.2", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "./usr/lib/x/libz.so.1", Typeflag: tar.TypeSymlink, Linkname: "libz.so.1.2"},
		{Name: "./usr/lib/x/absolute", Typeflag: tar.TypeSymlink, Linkname: "/lib/x/libz.so.1"},
		{Name: "./usr/lib/x/loop", Typeflag: tar.TypeSymlink, Linkname: "loop"},
		{Name: "./usr/lib/x/dangling", Typeflag: tar.TypeSymlink, Linkname: "nowhere"},
		{Name: "./usr/share/man/man1/z.1", Typeflag: tar.TypeReg},
		{Name: "./usr/share/man/man7/z.7", Typeflag: tar.TypeReg},
	} {
		require.NoError(t, w.WriteHeader(&h))
	}
	require.NoError(t, w.Close())
	require.NoError(t, tr.addTar(io.Reader(&b)))

	for _, p := range []string{"/lib/x/libz.so.1.2", "/lib/x/libz.so.1", "/usr/lib/x/absolute"} {
		got, ok := tr.resolve(p)
		assert.True(t, ok, p)
		assert.Equal(t, "/usr/lib/x/libz.so.1.2", got, p)
	}
	_, ok := tr.resolve("/usr/share/man/man7/z.7")
	assert.True(t, ok, "a recipe may keep manuals")
	for _, p := range []string{"/usr/lib/x/loop", "/usr/lib/x/dangling", "/usr/share/man/man1/z.1"} {
		_, ok := tr.resolve(p)
		assert.False(t, ok, p)
	}
}
