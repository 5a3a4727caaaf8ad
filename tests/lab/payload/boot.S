/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Boot sector of the bare-metal payloads: loads 64 KiB after it with the BIOS's extended read
 * (INT 13h, AH=42h), enters flat 32-bit protected mode and jumps to the payload at 64 KiB.
 *
 * Memory: 0x7000 stack (down), 0x7c00 this sector, 0x10000 payload, 0x100000 and up free.
 *
 * Absent: interrupts (they stay off), long mode, paging.
 */
        .code16
        .text
        .globl _start
_start:
        ljmp $0, $1f
1:      cli
        xorw %ax, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movw $0x7000, %sp
        sti
        movb %dl, drive

        movw $4, %cx                    /* four reads of 32 sectors, 16 KiB each */
2:      pushw %cx
        movw $packet, %si
        movb $0x42, %ah
        movb drive, %dl
        int $0x13
        jc failed
        addw $0x400, packet_segment
        addl $32, packet_lba
        popw %cx
        loop 2b

        cli
        inb $0x92, %al                  /* A20 on, in case the BIOS left it off */
        orb $2, %al
        andb $0xfe, %al
        outb %al, $0x92
        lgdt gdt_pointer
        movl %cr0, %eax
        orb $1, %al
        movl %eax, %cr0
        ljmpl $8, $flat

failed:
        movw $0x3f8, %dx
        movw $message, %si
3:      lodsb
        testb %al, %al
        jz 4f
        outb %al, %dx
        jmp 3b
4:      hlt
        jmp 4b

        .code32
flat:   movw $16, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movw %ax, %fs
        movw %ax, %gs
        movl $0x7000, %esp
        movl $0x10000, %eax
        jmp *%eax

drive:  .byte 0
message: .asciz "payload: the BIOS cannot read the disk\r\n"
        .balign 4
packet: .byte 16, 0
        .word 32
        .word 0
packet_segment: .word 0x1000
packet_lba: .quad 1

        .balign 8
gdt:    .quad 0
        .quad 0x00cf9a000000ffff        /* code, base 0, 4 GiB */
        .quad 0x00cf92000000ffff        /* data, the same */
gdt_pointer:
        .word gdt_pointer - gdt - 1
        .long gdt

        .org 510
        .word 0xaa55
