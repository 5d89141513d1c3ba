package main

import (
	_ "wsgate/bench"
	_ "wsgate/eventloop"
)

func main() {}
