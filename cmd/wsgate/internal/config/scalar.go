package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// span is the range of a number. With zero, 0 is allowed, too.
type span struct {
	least, most int64
	zero        bool
}

func (s span) has(n int64) bool { return n >= s.least && n <= s.most || s.zero && n == 0 }

// words describes the range; unit writes one of its ends.
func (s span) words(unit func(int64) string) string {
	if s.zero && s.least > 0 {
		return fmt.Sprintf("0, or %s to %s", unit(s.least), unit(s.most))
	}
	return fmt.Sprintf("%s to %s", unit(s.least), unit(s.most))
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// integer reads a number without a unit.
func (d *decoder) integer(v value, dst *int, s span) {
	text, plain, ok := d.scalar(v)
	if !ok {
		return
	}
	if !plain {
		d.wrong(v, "must be a number, not a text", "remove the quotes")
		return
	}
	n, ok := digits(text)
	switch {
	case !ok && strings.HasPrefix(text, "-") && allDigits(text[1:]):
		d.wrong(v, show(text)+" is negative", "the range is "+s.words(decimal))
	case !ok:
		d.wrong(v, show(text)+" is not a whole number", "the range is "+s.words(decimal))
	case !s.has(n):
		d.wrong(v, show(text)+" is out of range", "the range is "+s.words(decimal))
	default:
		*dst = int(n)
	}
}

// boolean reads true or false.
func (d *decoder) boolean(v value, dst *bool) {
	text, plain, ok := d.scalar(v)
	switch {
	case !ok:
	case plain && text == "true":
		*dst = true
	case plain && text == "false":
		*dst = false
	case strings.EqualFold(text, "true"), strings.EqualFold(text, "yes"), strings.EqualFold(text, "on"):
		d.wrong(v, "must be true or false", "write true")
	case strings.EqualFold(text, "false"), strings.EqualFold(text, "no"), strings.EqualFold(text, "off"):
		d.wrong(v, "must be true or false", "write false")
	default:
		d.wrong(v, "must be true or false, not "+show(text), "")
	}
}

// duration reads a time such as 30s or 1h30m. 0 needs no unit.
func (d *decoder) duration(v value, dst *time.Duration, s span) {
	text, _, ok := d.scalar(v)
	if !ok {
		return
	}
	t, err := time.ParseDuration(text)
	switch {
	case allDigits(text) && strings.Trim(text, "0") != "":
		d.wrong(v, show(text)+" has no unit", durationHint(text+"s"))
	case strings.HasPrefix(text, "-"):
		d.wrong(v, show(text)+" is negative", "the range is "+s.words(durationText))
	case err != nil || text[0] == '+':
		d.wrong(v, show(text)+" is not a duration", durationHint(text))
	case !s.has(int64(t)):
		d.wrong(v, show(text)+" is out of range", "the range is "+s.words(durationText))
	default:
		*dst = t
	}
}

// durationHint is the way to write what text probably means.
func durationHint(text string) string {
	squeezed := strings.ToLower(strings.ReplaceAll(text, " ", ""))
	number := strings.TrimRight(squeezed, "abcdefghijklmnopqrstuvwxyz")
	n, ok := digits(number)
	unit := squeezed[len(number):]
	for _, u := range [...]struct {
		names string
		write string
		times int64
	}{
		{" ms msec msecs millis millisecond milliseconds ", "ms", 1},
		{" s sec secs second seconds ", "s", 1},
		{" m min mins minute minutes ", "m", 1},
		{" h hr hrs hour hours ", "h", 1},
		{" d day days ", "h", 24},
		{" w week weeks ", "h", 7 * 24},
	} {
		if ok && unit != "" && n < 1<<32 && strings.Contains(u.names, " "+unit+" ") {
			return fmt.Sprintf("write %d%s", n*u.times, u.write)
		}
	}
	return "write a number with ms, s, m or h, such as 30s or 1h30m"
}

// durationText writes n nanoseconds so that duration reads it.
func durationText(n int64) string {
	s := time.Duration(n).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// units of size, the largest first.
var units = [...]struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// size reads a number of bytes: 4096, 64KiB, 1MiB.
func (d *decoder) size(v value, dst *int64, s span) {
	text, _, ok := d.scalar(v)
	if !ok {
		return
	}
	if strings.HasPrefix(text, "-") {
		d.wrong(v, show(text)+" is negative", "the range is "+s.words(sizeText))
		return
	}
	n, ok := parseSize(text)
	switch {
	case !ok:
		d.wrong(v, show(text)+" is not a size", sizeHint(text))
	case !s.has(n):
		d.wrong(v, show(text)+" is out of range", "the range is "+s.words(sizeText))
	default:
		*dst = n
	}
}

// parseSize reads a size; what does not fit is as large as can be.
func parseSize(text string) (int64, bool) {
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, ok := digits(number)
		if ok && n > math.MaxInt64/u.bytes {
			return math.MaxInt64, true
		}
		return n * u.bytes, ok
	}
	return 0, false
}

// sizeHint is the way to write what text probably means.
func sizeHint(text string) string {
	squeezed := strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	number := strings.TrimRight(squeezed, "BIKMGT")
	unit := squeezed[len(number):]
	if allDigits(number) && len(number) < 19 && len(number) > 0 {
		switch strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I") {
		case "":
			return "write " + number
		case "K", "M", "G", "T":
			return "write " + number + unit[:1] + "iB"
		}
	}
	return "write a whole number of bytes, or one with KiB, MiB, GiB or TiB, such as 64KiB"
}

// sizeText writes n bytes so that size reads it.
func sizeText(n int64) string {
	for _, u := range units {
		if n != 0 && n%u.bytes == 0 {
			return decimal(n/u.bytes) + u.name
		}
	}
	return decimal(n)
}

// digits reads a decimal number without sign, separators and leading zeros;
// what does not fit is as large as can be.
func digits(text string) (int64, bool) {
	if !allDigits(text) || len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return n, true
}

func allDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
