package saver

import (
	"fmt"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/frame"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/multiline"
)

// An input is a set of files that are read by the same rules.
type input struct {
	config.Input
	rules frame.Rules
	// settle is how long a record may wait for a further line; 0 if each line is a record.
	settle time.Duration
}

func newInput(c config.Input) (*input, error) {
	in := &input{Input: c, rules: frame.Rules{MaxLine: c.MaxLineBytes.Int()}}
	if c.Multiline == nil {
		return in, nil
	}
	grouper, err := multiline.New(c.Multiline)
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", c.Name, err)
	}
	in.rules.Grouper, in.rules.MaxLines, in.settle = grouper, c.Multiline.MaxLines, c.Multiline.Timeout.D()
	return in, nil
}
