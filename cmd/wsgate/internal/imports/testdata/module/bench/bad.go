package bench

import (
	_ "example.com/other"
	_ "golang.org/x/sys/unix"
	_ "wsgate/lb"
)
