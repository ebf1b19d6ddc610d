package workload

import (
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Duration is written as Go does: "30s", "1h30m".
type Duration time.Duration

// ParseDuration reads a duration that is not negative.
func ParseDuration(s string) (Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf(`%q is not a duration: write "500ms", "30s" or "1h30m"`, s)
	}
	return Duration(d), nil
}

// UnmarshalJSON reads a string.
func (d *Duration) UnmarshalJSON(raw []byte) error { return unmarshalText(raw, d, ParseDuration) }

// MarshalJSON writes a string.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// String is as a user writes it.
func (d Duration) String() string { return time.Duration(d).String() }

// Seconds rounds up, since the engines count whole ones.
func (d Duration) Seconds() int {
	return int((time.Duration(d) + time.Second - 1) / time.Second)
}

// CPU counts thousandths of a core, written "250m" or "0.25".
type CPU int64

// ParseCPU reads a share of cores of at least a thousandth.
func ParseCPU(s string) (CPU, error) {
	q, err := resource.ParseQuantity(s)
	if err != nil || q.Sign() < 0 {
		return 0, fmt.Errorf(`%q is not an amount of CPU: write cores as "250m", "0.25" or "2"`, s)
	}
	return CPU(q.MilliValue()), nil
}

// UnmarshalJSON reads a string.
func (c *CPU) UnmarshalJSON(raw []byte) error { return unmarshalText(raw, c, ParseCPU) }

// Size counts bytes, written "128Mi", "1Gi" or "500k".
type Size int64

// ParseSize reads a whole number of bytes.
func ParseSize(s string) (Size, error) {
	q, err := resource.ParseQuantity(s)
	if err != nil || q.Sign() < 0 {
		return 0, fmt.Errorf(`%q is not a size: write bytes as "128Mi", "1Gi" or "500k"`, s)
	}
	if q.MilliValue()%1000 != 0 {
		return 0, fmt.Errorf(`%q is a fraction of a byte: did you mean %q?`, s, s[:len(s)-1]+"M")
	}
	return Size(q.Value()), nil
}

// UnmarshalJSON reads a string.
func (b *Size) UnmarshalJSON(raw []byte) error { return unmarshalText(raw, b, ParseSize) }

func unmarshalText[T any](raw []byte, to *T, parse func(string) (T, error)) error {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	v, err := parse(s)
	if err != nil {
		return err
	}
	*to = v
	return nil
}
