/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What payloads use of Xen itself: hypercalls, xenstore, grants, event channels. A payload that
 * includes this is linked with xen.c.
 *
 * Absent: event delivery (ports are polled by their effects), watches, transactions.
 */
#ifndef PAYLOAD_XEN_H
#define PAYLOAD_XEN_H

#include "payload.h"

#define PAGE            4096u
#define GRANT_FRAMES    4u
#define GRANTS          (GRANT_FRAMES * PAGE / 8)
#define GRANTS_RESERVED 8u /* the first ones are the toolstack's */
#define GRANT_PERMIT    1u
#define GRANT_READ_ONLY 4u
#define GRANT_IN_USE    0x18u /* mapped or being copied, for reading or writing; Xen's to write */
#define XS_VALUE_MAX    4096u

/* A grant table entry, version 1. */
struct grant {
    uint16_t flags;
    uint16_t domid;
    uint32_t frame;
};
extern volatile struct grant *const grants;

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
size_t text_length(const char *text);
bool text_equal(const char *a, const char *b);
/* Appends at `at` and returns the new end; for paths and values, which the caller has room for. */
char *text_add(char *at, const char *text);
char *text_add_decimal(char *at, uint32_t value);

/* False: no Xen, or something of it is missing. */
bool xen_begin(void);
/* Lets others run. */
void xen_yield(void);

/* A port for domain 0 to bind; 0: none. */
uint32_t event_alloc(void);
void event_send(uint32_t port);
void event_close(uint32_t port);

/* False: an error, which is what a missing node is. Values are cut to size - 1. */
bool xs_read(const char *path, char *value, size_t size);
bool xs_write(const char *path, const char *value);
bool xs_remove(const char *path);

#endif
