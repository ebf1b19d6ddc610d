package wire

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/configfile"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
)

// Leave asks the elector that runs with a configuration to hand over what it leads.
func Leave(args []string) error {
	path := cmp.Or(os.Getenv(image.EnvConfig), image.DefaultConfig)
	if len(args) > 0 {
		path = args[0]
	}
	if len(args) > 1 {
		return errors.New("usage: elector leave [FILE]")
	}
	file, err := configfile.Open[config.Config](path)
	if err != nil {
		return err
	}
	c := file.Current()
	client := http.Client{Timeout: c.Lease.Duration.Std() + c.Callbacks.Timeout.Std() + time.Second}
	response, err := client.Post("http://"+c.Listen+"/v1/leave", "", nil)
	if err != nil {
		return fmt.Errorf("ask the elector to leave: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("ask the elector to leave: %s", response.Status)
	}
	return nil
}
