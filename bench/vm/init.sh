#!/bin/busybox sh
# The guest's first process: sets the machine up, runs the command, ends it.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TMPDIR=/tmp
mkdir -p /proc /sys /dev /tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
# All of 127.0.0.0/8; there is no other network.
ifconfig lo 127.0.0.1 up
# Ports and queues so that none of them is what ends.
echo '1024 65535' >/proc/sys/net/ipv4/ip_local_port_range
echo 65535 >/proc/sys/net/core/somaxconn
echo 65535 >/proc/sys/net/ipv4/tcp_max_syn_backlog
# One watch a socket; by default their number follows the memory.
echo 100000000 >/proc/sys/fs/epoll/max_user_watches
echo {{.Descriptors}} >/proc/sys/fs/nr_open
echo $(({{.Descriptors}} * 4)) >/proc/sys/fs/file-max
ulimit -n {{.Descriptors}}
# The port carries frames, not what a terminal makes of them.
stty -F {{.Device}} raw 115200
{{.Command}}
echo "the command has ended: exit status $?"
poweroff -f
