/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86_64: from kexec to the 64-bit entry point of the next kernel.
 *
 * In:  long mode, paging on with an identity map of all RAM, interrupts off,
 *      GDT and IDT unusable, registers and stack unknown
 *      (Source: arch/x86/kernel/relocate_kernel_64.S, identity_mapped).
 * Out: Documentation/arch/x86/boot.rst, "64-bit Boot Protocol": __BOOT_CS and
 *      __BOOT_DS loaded from a valid GDT, interrupts off, rsi = boot_params.
 * CR0, CR3 and CR4 stay as they are: with 4 or 5 levels, the next kernel sees
 * from CR4 what it was given and switches if it wants to.
 */
#include "../purgatory.h"

#define BOOT_CS 0x10
#define BOOT_DS 0x18

	.code64

	.section .entry, "ax", @progbits
	.globl	purgatory_entry
purgatory_entry:
	cli
	cld
	testl	$FLAG_SPIN, purgatory_params + PARAMS_FLAGS(%rip)
	jnz	spin
	leaq	stack_top(%rip), %rsp
	xorl	%ebp, %ebp
	call	purgatory_check
	jmp	enter_kernel
spin:
	pause
	jmp	spin

	/* As built: magic, version and size alone, so it enters nothing. */
	.section .params, "a", @progbits
	.globl	purgatory_params
	.hidden	purgatory_params
purgatory_params:
	.asciz	"kxkpurg"
	.long	PARAMS_VERSION, PARAMS_SIZE
	.zero	PARAMS_SIZE - 16

	.section .text, "ax", @progbits
enter_kernel:
	leaq	gdt(%rip), %rax
	movq	%rax, gdt_register + 2(%rip)
	lgdt	gdt_register(%rip)
	pushq	$BOOT_CS
	leaq	1f(%rip), %rax
	pushq	%rax
	lretq
1:
	movl	$BOOT_DS, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs

	xorl	%ebx, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%edi, %edi
	xorl	%ebp, %ebp
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d
	xorl	%r12d, %r12d
	xorl	%r13d, %r13d
	xorl	%r14d, %r14d
	xorl	%r15d, %r15d
	movq	purgatory_params + PARAMS_BOOT_PARAMS(%rip), %rsi
	jmp	*purgatory_params + PARAMS_KERNEL_ENTRY(%rip)

	/* "Accessed" is set, so that the CPU has no reason to write here. */
	.section .data, "aw", @progbits
	.balign	8
gdt:
	.quad	0
	.quad	0
	.quad	0x00af9b000000ffff	/* BOOT_CS: flat, 64-bit, execute/read */
	.quad	0x00cf93000000ffff	/* BOOT_DS: flat, read/write */
gdt_end:
	.balign	8
gdt_register:
	.word	gdt_end - gdt - 1
	.quad	0			/* the address, known only when we run */

	.section .bss, "aw", @nobits
	.balign	16
	.zero	STACK_SIZE
stack_top:

	.section .note.GNU-stack, "", @progbits
