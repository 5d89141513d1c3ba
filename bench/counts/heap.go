package counts

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// heap is what a Go process has allocated since it started, or a part of it.
type heap struct{ objects, bytes float64 }

// heap asks the gateway's admin address.
func (g *gateway) heap(ctx context.Context, client *http.Client) (h heap, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	// The filter spares most of the answer's cost, where it is known.
	url := "http://" + g.admin.String() + "/metrics?name[]=go_memstats_mallocs_total&name[]=go_memstats_alloc_bytes_total"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return h, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return h, fmt.Errorf("metrics: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return h, fmt.Errorf("metrics: %s", resp.Status)
	}
	found := 0
	in := bufio.NewScanner(resp.Body)
	for in.Scan() {
		name, value, _ := strings.Cut(in.Text(), " ")
		var to *float64
		switch name {
		case "go_memstats_mallocs_total":
			to = &h.objects
		case "go_memstats_alloc_bytes_total":
			to = &h.bytes
		default:
			continue
		}
		if *to, err = strconv.ParseFloat(value, 64); err != nil {
			return h, fmt.Errorf("metrics: %s: %w", name, err)
		}
		found++
	}
	if err := in.Err(); err != nil {
		return h, fmt.Errorf("metrics: %w", err)
	}
	if found != 2 {
		return h, errors.New("metrics: no go_memstats_mallocs_total and go_memstats_alloc_bytes_total")
	}
	return h, nil
}

// asks is how often the gateway is asked on each side of the work. An answer
// costs it some 1,500 objects itself and reads the counter anywhere among
// them, so that one answer is worth little; a line through a hundred is good
// to about a hundred objects.
const asks = 100

// allocated is what work allocates in one of its n times.
func (g *gateway) allocated(ctx context.Context, n int, work func() error) (h heap, err error) {
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConns: 1}}
	defer client.CloseIdleConnections()
	var objects, bytes [2][]float64
	for side := range objects {
		if side == 1 {
			for range n {
				if err := work(); err != nil {
					return h, err
				}
			}
		}
		for range asks {
			h, err := g.heap(ctx, client)
			if err != nil {
				return h, err
			}
			objects[side] = append(objects[side], h.objects)
			bytes[side] = append(bytes[side], h.bytes)
		}
	}
	return heap{jump(objects) / float64(n), jump(bytes) / float64(n)}, nil
}

// jump fits two parallel lines through equally spaced values before and after,
// and returns how far the second is above where the first would be: what came
// between beyond the growth of a step.
func jump(sides [2][]float64) float64 {
	n := float64(len(sides[0]))
	var mean [2]float64
	var xy, xx float64
	for side, values := range sides {
		for _, v := range values {
			mean[side] += v / n
		}
		for i, v := range values {
			x := float64(i) - (n-1)/2
			xy += x * (v - mean[side])
			xx += x * x
		}
	}
	return mean[1] - mean[0] - n*xy/xx
}
