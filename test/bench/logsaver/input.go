package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// generate writes lines like those of a web server, which compress as such lines do: each has 100 bytes, and differs.
func generate(path string, lines int) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriterSize(file, 1<<20)
	random := rand.New(rand.NewPCG(1, 2)) // the same file each time
	verbs := []string{"GET", "GET", "GET", "POST", "HEAD"}
	for i := range lines {
		line := fmt.Sprintf("10.%d.%d.%d - - [02/Jan/2026:%02d:%02d:%02d +0000] \"%s /items/%08x HTTP/1.1\" %d %d %d",
			random.IntN(4), random.IntN(256), random.IntN(256), i/3600000%24, i/60000%60, i/1000%60,
			verbs[random.IntN(len(verbs))], random.Uint32(), 200+random.IntN(5)*random.IntN(2), random.IntN(100000), i)
		if _, err := fmt.Fprintf(out, "%-99.99s\n", line); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return file.Close()
}
