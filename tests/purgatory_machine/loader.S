/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for the old kernel at the moment of its jump: a Multiboot image at
 * 1 MiB that enters long mode with an identity map of 512 GiB, leaves noise in
 * every register, no usable GDT, IDT or stack, the direction flag set, the FPU
 * and SSE forbidden and COM1 with its divisor latch open (as if the old kernel
 * had died while it set the speed), and jumps to the address in `target`.
 */
#define LOAD 0x100000
#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_ADDRESSES 0x10000

	.section .image, "awx", @progbits
	.code32
	.globl	_start
header:
	.long	MULTIBOOT_MAGIC, MULTIBOOT_ADDRESSES
	.long	-(MULTIBOOT_MAGIC + MULTIBOOT_ADDRESSES)
	.long	header, LOAD, 0, 0, _start
	.balign	8
target:				/* at 0x20: the test writes it */
	.quad	0

_start:
	cli
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	$0x20, %eax			/* PAE and nothing else: no SSE */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx		/* EFER.LME */
	rdmsr
	orl	$0x100, %eax
	wrmsr
	movl	$0x8001000d, %eax		/* PG WP TS EM PE: no FPU */
	movl	%eax, %cr0
	lgdt	gdt_register
	ljmp	$0x28, $long_mode

	.code64
long_mode:
	movl	$0x30, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	lgdt	nothing(%rip)
	lidt	nothing(%rip)
	movl	$0x3fb, %edx			/* COM1's LCR: DLAB, 8 bits */
	movl	$0x83, %eax
	outb	%al, %dx
	movabsq	$0xa5a5a5a5a5a5a5a5, %rax
	.irp	register, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15
	movq	%rax, %\register
	.endr
	std
	jmp	*target(%rip)

	.balign	8
gdt:
	.quad	0, 0, 0, 0, 0
	.quad	0x00af9a000000ffff		/* 0x28: not the selector that Linux wants */
	.quad	0x00cf92000000ffff		/* 0x30 */
gdt_register:
	.word	gdt_register - gdt - 1
	.long	gdt
nothing:
	.word	0
	.quad	0

	.balign	4096
pml4:
	.quad	pdpt + 3
	.zero	4096 - 8
pdpt:
	.set	gigabyte, 0
	.rept	512
	.quad	(gigabyte << 30) + 0x83
	.set	gigabyte, gigabyte + 1
	.endr
