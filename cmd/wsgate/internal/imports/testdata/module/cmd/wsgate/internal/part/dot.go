package part

import . "syscall"

var Stop = SIGTERM
