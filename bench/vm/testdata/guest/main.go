// The command of the tests' machines: says what it finds there.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"wsgate/bench/vm"
)

func main() {
	port, err := vm.Open()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := run(port, os.Args[1]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(port *vm.Port, what string) error {
	switch what {
	case "end":
		fmt.Println("nothing to say")
		return nil
	case "hang":
		if err := port.Log("hanging"); err != nil {
			return err
		}
		select {}
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.1.2.3:0")
	if err != nil {
		return err
	}
	defer l.Close()
	if err := port.Log("listening"); err != nil {
		return err
	}
	b, err := json.Marshal(map[string]any{"limit": limit.Cur, "args": os.Args[1:], "long": strings.Repeat("0123456789", 5000)})
	if err != nil {
		return err
	}
	return port.Result(b)
}
