/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for the next kernel: its 64-bit entry is at offset 0x200, as in
 * Linux.  It writes the state it was entered with to QEMU's debug console
 * (port 0xe9), as 64-bit words in the order of __init__.py, and stops.
 */
	.section .image, "awx", @progbits
	.code64
	.globl	_start
	.skip	0x200, 0xcc
_start:
	movq	%rax, record + 0(%rip)
	.set	slot, 8
	.irp	register, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15
	movq	%\register, record + slot(%rip)
	.set	slot, slot + 8
	.endr
	pushfq
	popq	record + slot(%rip)
	.set	slot, slot + 8
	.irp	register, cs, ds, es, ss, fs, gs, cr0, cr3, cr4
	movq	%\register, %rax
	movq	%rax, record + slot(%rip)
	.set	slot, slot + 8
	.endr

	/* The table must be what the selectors say: load them all again. */
	pushq	$0x10
	leaq	1f(%rip), %rax
	pushq	%rax
	lretq
1:	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss

	leaq	record(%rip), %rsi
	movl	$record_end - record, %ecx
	movl	$0xe9, %edx
	rep outsb
2:	hlt
	jmp	2b

	.balign	8
record:
	.zero	26 * 8
record_end:
