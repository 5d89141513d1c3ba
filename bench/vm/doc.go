// Package vm runs one command in a virtual machine of its own, for what this
// machine does not allow: descriptors by the million, another kernel. The
// machine is Debian's QEMU, which emulates the processor, with Debian's kernel
// and an initramfs of static programs; it has no disk and no network but
// loopback, and ends with the command.
//
//	kernel, err := vm.FindKernel("bin/kernel", "/boot")
//	out, err := vm.Run(ctx, supervisor, vm.Config{
//		Kernel: kernel, CPUs: 2, Memory: 4 << 30, Descriptors: 1 << 20,
//		Files:   []vm.File{{Name: "bin/wsbench", From: "./wsbench", Mode: 0o755}},
//		Command: []string{"/bin/wsbench", "scale-guest"},
//	})
//	fmt.Println(out.Result)
//
// The first serial port is the guest's console. The second carries what the
// command says, in frames that tell a lost or damaged one: lines for the log and
// one result. [Open] is the guest's side of it.
//
// Run may be called from any goroutine. A machine that was started is a process
// of the supervisor's: it ends with the benchmark, however that ends.
package vm
