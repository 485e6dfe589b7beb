/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x86_64: an 8250-style UART behind I/O ports, and how to stop the machine. */
#include "../purgatory.h"

/* Registers of the UART, relative to its port, and the bits used. */
#define UART_DATA 0
#define UART_LCR 3
#define UART_LSR 5
#define LCR_DLAB 0x80 /* the data register is the divisor instead */
#define LSR_THRE 0x20 /* takes another byte */
#define LSR_TEMT 0x40 /* the last byte has left */
#define LSR_NO_DEVICE 0xff

/*
 * A port read takes about 1 us on the bus and as a VM exit; a byte takes 9 ms
 * at 1200 baud.  So this is ten times as long as the slowest sane line needs.
 */
#define UART_PATIENCE 100000

static uint16_t uart; /* 0: none, or given up */

static inline void outb(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

/* Waits for a bit of the line status; gives the UART up if it never comes. */
static void uart_wait(uint8_t bit)
{
	unsigned int i;

	for (i = 0; uart && i < UART_PATIENCE; i++) {
		uint8_t status = inb(uart + UART_LSR);

		if (status == LSR_NO_DEVICE)
			break;
		if (status & bit)
			return;
		asm volatile("pause");
	}
	uart = 0;
}

/*
 * Speed, word length and FIFO stay as the old kernel or the firmware set them:
 * that is what the other end of the line listens to, and we do not know the
 * clock.  Only DLAB is cleared, in case the old kernel died while it had it set.
 */
void console_open(uint32_t port)
{
	uart = (uint16_t)port;
	if (uart && inb(uart + UART_LSR) == LSR_NO_DEVICE)
		uart = 0;
	if (uart)
		outb(uart + UART_LCR, inb(uart + UART_LCR) & ~LCR_DLAB);
}

void console_put(char c)
{
	uart_wait(LSR_THRE);
	if (uart)
		outb(uart + UART_DATA, (uint8_t)c);
}

void console_drain(void)
{
	uart_wait(LSR_TEMT);
}

_Noreturn void machine_halt(void)
{
	/* A loop: an NMI or SMI may end one hlt. */
	for (;;)
		asm volatile("cli; hlt");
}

static void wait_a_moment(void)
{
	unsigned int i;

	for (i = 0; i < UART_PATIENCE; i++)
		asm volatile("pause");
}

/* Three ways, the most thorough first; each is a no-op where it is missing. */
_Noreturn void machine_reset(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) no_idt = { 0, 0 };
	unsigned int i;

	/* Reset control register of PC chipsets: arm, then full reset. */
	outb(0xcf9, 0x02);
	wait_a_moment();
	outb(0xcf9, 0x06);
	wait_a_moment();
	/* Keyboard controller: pulse the reset line, when it listens. */
	for (i = 0; i < UART_PATIENCE && inb(0x64) & 0x02; i++)
		asm volatile("pause");
	outb(0x64, 0xfe);
	wait_a_moment();
	/* Triple fault: an exception without a table of handlers. */
	asm volatile("lidt %0; ud2" : : "m"(no_idt));
	machine_halt();
}
