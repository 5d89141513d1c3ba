package main

import (
	_ "example.com/other"
	_ "golang.org/x/sys/unix"
	_ "wsgate/bench"
	_ "wsgate/cmd/wsgate/internal/part"
	_ "wsgate/eventloop"
)

func main() {}
