package elector

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/anishathalye/porcupine"
)

// show what is wrong in a folder: history.jsonl, and a page for each election with a fault.
func (f Findings) show(dir string, all []Operation) error {
	file, err := os.Create(filepath.Join(dir, "history.jsonl"))
	if err != nil {
		return err
	}
	defer file.Close()
	to := bufio.NewWriter(file)
	out := json.NewEncoder(to)
	for _, o := range all {
		if err := out.Encode(o); err != nil {
			return err
		}
	}
	if err := to.Flush(); err != nil {
		return err
	}
	for i, v := range f.views {
		_, info := porcupine.CheckOperationsVerbose(v.model, events(v.all), 10*time.Second)
		if err := porcupine.VisualizePath(v.model, info, filepath.Join(dir, fmt.Sprintf("%d.html", i+1))); err != nil {
			return fmt.Errorf("show %s: %w", v.name, err)
		}
	}
	return nil
}
