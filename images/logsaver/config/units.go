package config

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Duration is written as a string: "250ms", "5s", "1m30s".
type Duration time.Duration

// D is the duration as the standard library has it.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String formats as in the file.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes the string form.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads the string form; a bare number has no unit and is refused.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf(`%s is not a duration: write a number with its unit, such as "5s"`, data)
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf(`%q is not a duration: write a number with its unit, such as "5s"`, text)
	}
	*d = Duration(parsed)
	return nil
}

// Bytes is a size: a byte count (1048576) or a string with a binary or decimal unit ("1Mi", "1M").
type Bytes int64

// Int is the size as a plain number of bytes.
func (b Bytes) Int() int { return int(b) }

var units = []struct {
	suffix string
	factor int64
}{
	{"Ti", 1 << 40}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10},
	{"T", 1e12}, {"G", 1e9}, {"M", 1e6}, {"k", 1e3},
}

// String uses the largest binary unit that says the size exactly.
func (b Bytes) String() string {
	for _, unit := range units[:4] {
		if b != 0 && int64(b)%unit.factor == 0 {
			return strconv.FormatInt(int64(b)/unit.factor, 10) + unit.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// ParseBytes reads a size such as "64Mi", "10k" or "512".
func ParseBytes(text string) (Bytes, error) {
	number, factor := text, int64(1)
	for _, unit := range units {
		if rest, ok := strings.CutSuffix(text, unit.suffix); ok {
			number, factor = rest, unit.factor
			break
		}
	}
	count, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf(`%q is not a size: write a number of bytes or one with a unit, such as "64Mi"`, text)
	}
	if count > math.MaxInt64/factor || count < math.MinInt64/factor {
		return 0, fmt.Errorf("%q is too large a size", text)
	}
	return Bytes(count * factor), nil
}

// MarshalJSON writes a plain number when no unit says the size exactly, else the string.
func (b Bytes) MarshalJSON() ([]byte, error) {
	text := b.String()
	if strings.HasSuffix(text, "i") {
		return json.Marshal(text)
	}
	return []byte(text), nil
}

// UnmarshalJSON reads both forms.
func (b *Bytes) UnmarshalJSON(data []byte) error {
	text := string(data)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
	}
	parsed, err := ParseBytes(text)
	if err != nil {
		return err
	}
	*b = parsed
	return nil
}
