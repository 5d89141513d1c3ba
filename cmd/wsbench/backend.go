package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"wsgate/bench/backend"
	"wsgate/bench/load"
)

func backendCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "backend",
		Short: "serves /echo, /source, /sink, /room, /slow and /abrupt",
		Long: `Serves what the load generator asks for, by the last segment of the path:

  /echo                      every frame comes back
  /source, /sink             the ends of down and up
  /room                      every message to all members of the room (fanout)
  /slow?rate=BYTES           echo that reads so many bytes a second
  /abrupt?after=N&how=rst    echo that ends after N messages without a Close,
                             with RST or, by default, the end of stream

The load generator asks for the last two with --path.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			addrs, err := parseListen(listen)
			if err != nil {
				return err
			}
			s, err := backend.Listen(addrs)
			if err != nil {
				return err
			}
			var words []string
			for _, a := range s.Addrs() {
				words = append(words, a.String())
			}
			fmt.Fprintln(cmd.OutOrStdout(), "Ready", strings.Join(words, " "))
			return s.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.3.1-4:9000", "addresses and a port: 127.0.3.1-4:9000; port 0 takes any, the same for all")
	return cmd
}

// parseListen reads addresses as --source has them, and one port.
func parseListen(s string) (addrs []netip.AddrPort, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return nil, fmt.Errorf("listen %q: no port", s)
	}
	port, err := strconv.ParseUint(s[i+1:], 10, 16)
	if err != nil {
		return nil, fmt.Errorf("listen %q: %w", s, err)
	}
	list, err := load.ParseSources(s[:i])
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("listen %q: no address", s)
	}
	for _, a := range list {
		addrs = append(addrs, netip.AddrPortFrom(a, uint16(port)))
	}
	return addrs, nil
}
