package merge

import (
	"cmp"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// A decimal is a number as JSON writes it: mantissa * 10^exponent. Sums of decimals are exact, so that they do not depend on how a
// tree has grouped them, as those of float64 would. The mantissa is in small unless large is set.
type decimal struct {
	small    int64
	large    *big.Int
	exponent int
}

// A number of more digits, or farther from 1, would be a way to make others work: 1e999999999 is short, and long when added to 1.
const (
	maxDigits   = 4096
	maxExponent = 1000
)

func parseDecimal(raw string) (d decimal, err error) {
	mantissa := raw
	if i := strings.IndexAny(raw, "eE"); i >= 0 {
		mantissa = raw[:i]
		if d.exponent, err = strconv.Atoi(raw[i+1:]); err != nil || d.exponent > maxExponent || d.exponent < -maxExponent {
			return d, fmt.Errorf("the number %.40s is too far from 1", raw)
		}
	}
	if len(mantissa) > maxDigits {
		return d, fmt.Errorf("the number %.40s... has too many digits", raw)
	}
	if whole, fraction, cut := strings.Cut(mantissa, "."); cut {
		mantissa = whole + fraction
		d.exponent -= len(fraction)
	}
	if d.small, err = strconv.ParseInt(mantissa, 10, 64); err == nil {
		return d, nil
	}
	n, ok := new(big.Int).SetString(mantissa, 10)
	if !ok {
		return d, fmt.Errorf("%.40q is no number", raw)
	}
	return decimal{large: n, exponent: d.exponent}, nil
}

// add x to d.
func (d *decimal) add(x decimal) {
	if d.large == nil && x.large == nil && d.exponent == x.exponent {
		sum := d.small + x.small
		if (sum > d.small) == (x.small > 0) { // it did not overflow
			d.small = sum
			return
		}
	}
	a, b, exponent := align(*d, x)
	d.small, d.large, d.exponent = 0, a.Add(a, b), exponent
}

// align gives both as multiples of the same power of ten, in memory of their own.
func align(a, b decimal) (x, y *big.Int, exponent int) {
	exponent = min(a.exponent, b.exponent)
	return a.scaled(exponent), b.scaled(exponent), exponent
}

func (d decimal) scaled(exponent int) *big.Int {
	n := big.NewInt(d.small)
	if d.large != nil {
		n.Set(d.large)
	}
	if by := d.exponent - exponent; by > 0 {
		n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(by)), nil))
	}
	return n
}

func (d decimal) compare(x decimal) int {
	if d.large == nil && x.large == nil && d.exponent == x.exponent {
		return cmp.Compare(d.small, x.small)
	}
	a, b, _ := align(d, x)
	return a.Cmp(b)
}

// appendTo writes the number. The text depends on its value alone: 1.50 is 1.5, and 1e2 is 100.
func (d decimal) appendTo(to []byte) []byte {
	if d.large == nil && d.exponent == 0 {
		return strconv.AppendInt(to, d.small, 10)
	}
	digits := strconv.FormatInt(d.small, 10)
	if d.large != nil {
		digits = d.large.String()
	}
	if digits == "0" {
		return append(to, '0')
	}
	if digits[0] == '-' {
		to, digits = append(to, '-'), digits[1:]
	}
	exponent := d.exponent
	if exponent < 0 { // zeros behind the point say nothing
		short := strings.TrimRight(digits, "0")
		cut := min(len(digits)-len(short), -exponent)
		digits, exponent = digits[:len(digits)-cut], exponent+cut
	}
	switch point := len(digits) + exponent; { // where it is, counted from the first digit
	case exponent >= 0 && point <= maxExponent:
		to = append(to, digits...)
		for range exponent {
			to = append(to, '0')
		}
	case exponent < 0 && point > 0:
		to = append(append(append(to, digits[:point]...), '.'), digits[point:]...)
	case exponent < 0 && point > -20:
		to = append(to, "0."...)
		for range -point {
			to = append(to, '0')
		}
		to = append(to, digits...)
	default:
		short := strings.TrimRight(digits, "0")
		to = append(append(to, short...), 'e')
		to = strconv.AppendInt(to, int64(exponent+len(digits)-len(short)), 10)
	}
	return to
}
