package process

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM, "386": elf.EM_386, "riscv64": elf.EM_RISCV,
	"ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390,
}

// Find gives the path of a program, looked up in PATH as a shell does, and says why it could not be started: it is not
// there, may not be executed, is for another processor, or lacks its interpreter or dynamic loader.
func Find(program string) (string, error) {
	path, err := lookUp(program)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w in this image", program, errors.Unwrap(err))
	case info.IsDir():
		return "", fmt.Errorf("%s: is a folder, not a program", path)
	}
	if err := unix.Access(path, unix.X_OK); err != nil {
		return "", fmt.Errorf("%s: may not be executed by user %d: %w", path, os.Getuid(), err)
	}
	return path, loadable(path)
}

func lookUp(program string) (string, error) {
	if strings.Contains(program, "/") {
		return program, nil
	}
	path := os.Getenv("PATH")
	if path == "" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	for _, folder := range filepath.SplitList(path) {
		candidate := filepath.Join(folder, program)
		if info, err := os.Stat(candidate); err == nil && !info.IsDir() && unix.Access(candidate, unix.X_OK) == nil {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("%s: there is no such program in the image's PATH (%s)", program, path)
}

func loadable(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return nil // it may be executed and not be read, which is for the kernel to judge
	}
	defer file.Close()
	head := make([]byte, 256)
	n, _ := io.ReadFull(file, head)
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("#!")):
		line, _ := bufio.NewReader(bytes.NewReader(head[2:])).ReadString('\n')
		fields := strings.Fields(line)
		if len(fields) > 0 {
			if _, err := os.Stat(fields[0]); err != nil {
				return fmt.Errorf("%s: its interpreter %s is not in this image", path, fields[0])
			}
		}
		return nil
	case !bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return fmt.Errorf("%s: is neither an ELF program nor a script that begins with #!", path)
	}
	binary, err := elf.NewFile(file)
	if err != nil {
		return fmt.Errorf("%s: is a broken ELF program: %w", path, err)
	}
	if want, known := machines[runtime.GOARCH]; known && binary.Machine != want && (runtime.GOARCH != "amd64" || binary.Machine != elf.EM_386) {
		return fmt.Errorf("%s: is for %s, this machine is %s", path, binary.Machine, runtime.GOARCH)
	}
	for _, part := range binary.Progs {
		if part.Type != elf.PT_INTERP || part.Filesz > 4096 {
			continue
		}
		loader, err := io.ReadAll(part.Open())
		if err != nil {
			return fmt.Errorf("%s: is a broken ELF program: %w", path, err)
		}
		name := string(bytes.TrimRight(loader, "\x00"))
		if _, err := os.Stat(name); err != nil {
			return fmt.Errorf("%s: its dynamic loader %s is not in this image", path, name)
		}
	}
	return nil
}
