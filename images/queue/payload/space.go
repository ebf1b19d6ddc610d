package payload

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// space tells a full disk from other errors.
func space(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", store.ErrNoSpace, err)
	}
	return err
}
