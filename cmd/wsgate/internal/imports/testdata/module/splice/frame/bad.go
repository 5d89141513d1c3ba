package frame

import _ "golang.org/x/sys/unix"
