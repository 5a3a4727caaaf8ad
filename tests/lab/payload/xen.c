/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hypercalls, xenstore, grants and event channels for payloads, see xen.h.
 */
#include "xen.h"

#define HYPERCALLS      0x310000u /* page of Xen's entry stubs */
#define GRANT_TABLE     0x400000u /* its frames take the place of RAM */
#define LEAF            0x40000000u
#define MEMORY_OP       12u
#define SCHED_OP        29u
#define EVENT_OP        32u
#define HVM_OP          34u
#define ADD_TO_PHYSMAP  7u
#define SPACE_GRANTS    1u
#define YIELD           0u
#define EVENT_CLOSE     3u
#define EVENT_SEND      4u
#define EVENT_ALLOC     6u
#define GET_PARAM       1u
#define PARAM_STORE_PFN 1u
#define PARAM_STORE_EVT 2u
#define DOMID_SELF      0x7ff0u
#define XS_READ         2u
#define XS_WRITE        11u
#define XS_RM           13u
#define XS_ERROR        16u
#define XS_RING         1024u

volatile struct grant *const grants = (volatile struct grant *)GRANT_TABLE;

/* The page that is shared with xenstored. */
struct store {
    uint8_t request[XS_RING];
    uint8_t answer[XS_RING];
    uint32_t request_cons, request_prod, answer_cons, answer_prod;
};

struct message {
    uint32_t type, id, transaction, length;
};

static volatile struct store *store;
static uint32_t store_port;

void *memcpy(void *to, const void *from, size_t size)
{
    void *result = to;

    __asm__ volatile("cld; rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return result;
}

void *memset(void *to, int byte, size_t size)
{
    void *result = to;

    __asm__ volatile("cld; rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
    return result;
}

size_t text_length(const char *text)
{
    size_t n = 0;

    while (text[n]) {
        n++;
    }
    return n;
}

bool text_equal(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

char *text_add(char *at, const char *text)
{
    while (*text) {
        *at++ = *text++;
    }
    *at = 0;
    return at;
}

char *text_add_decimal(char *at, uint32_t value)
{
    char digits[11];
    char *digit = &digits[10];

    *digit = 0;
    do {
        *--digit = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return text_add(at, digit);
}

static int32_t hypercall(uint32_t number, uint32_t first, const void *second)
{
    int32_t result;

    __asm__ volatile("call *%3"
                     : "=a"(result), "+b"(first), "+c"(second)
                     : "r"(HYPERCALLS + 32 * number)
                     : "edx", "esi", "edi", "memory");
    return result;
}

void xen_yield(void)
{
    hypercall(SCHED_OP, YIELD, NULL);
}

uint32_t event_alloc(void)
{
    struct {
        uint16_t domid, remote;
        uint32_t port;
    } alloc = { DOMID_SELF, 0, 0 };

    return hypercall(EVENT_OP, EVENT_ALLOC, &alloc) == 0 ? alloc.port : 0;
}

void event_send(uint32_t port)
{
    hypercall(EVENT_OP, EVENT_SEND, &port);
}

void event_close(uint32_t port)
{
    hypercall(EVENT_OP, EVENT_CLOSE, &port);
}

static uint32_t hvm_param(uint32_t index)
{
    struct {
        uint16_t domid, pad;
        uint32_t index;
        uint64_t value;
    } param = { DOMID_SELF, 0, index, 0 };

    return hypercall(HVM_OP, GET_PARAM, &param) == 0 ? (uint32_t)param.value : 0;
}

static bool map_grants(void)
{
    for (uint32_t i = 0; i < GRANT_FRAMES; i++) {
        struct {
            uint16_t domid, size;
            uint32_t space, index, frame;
        } add = { DOMID_SELF, 0, SPACE_GRANTS, i, GRANT_TABLE / PAGE + i };

        if (hypercall(MEMORY_OP, ADD_TO_PHYSMAP, &add) != 0) {
            return false;
        }
    }
    return true;
}

bool xen_begin(void)
{
    uint32_t most, signature[3], pages, msr, c, d;

    __asm__ volatile("cpuid"
                     : "=a"(most), "=b"(signature[0]), "=c"(signature[1]), "=d"(signature[2])
                     : "0"(LEAF));
    if (most < LEAF + 2 || signature[0] != 0x566e6558) { /* "XenV" */
        return false;
    }
    __asm__ volatile("cpuid" : "=a"(pages), "=b"(msr), "=c"(c), "=d"(d) : "0"(LEAF + 2));
    if (pages != 1) {
        return false;
    }
    __asm__ volatile("wrmsr" : : "c"(msr), "a"(HYPERCALLS), "d"(0) : "memory");
    store = (volatile struct store *)(hvm_param(PARAM_STORE_PFN) * PAGE);
    store_port = hvm_param(PARAM_STORE_EVT);
    return store && store_port && map_grants();
}

static void store_put(const void *bytes, uint32_t size)
{
    const uint8_t *from = bytes;

    while (size) {
        uint32_t prod = store->request_prod;

        if (prod - store->request_cons >= XS_RING) {
            event_send(store_port);
            xen_yield();
            continue;
        }
        store->request[prod % XS_RING] = *from++;
        __asm__ volatile("" : : : "memory");
        store->request_prod = prod + 1;
        size--;
    }
}

/* Bytes beyond `size` are dropped: `length` is how many there are. */
static void store_get(void *bytes, uint32_t size, uint32_t length)
{
    uint8_t *to = bytes;

    for (uint32_t i = 0; i < length; i++) {
        uint32_t cons = store->answer_cons;

        if (store->answer_prod == cons) {
            event_send(store_port); /* there is room again */
        }
        while (store->answer_prod == cons) {
            xen_yield();
        }
        if (i < size) {
            to[i] = store->answer[cons % XS_RING];
        }
        __asm__ volatile("" : : : "memory");
        store->answer_cons = cons + 1;
    }
}

/* One request and its answer; the path with its end, then the value without. */
static bool xs_talk(uint32_t type, const char *path, const char *value, char *answer, size_t size)
{
    uint32_t path_length = (uint32_t)text_length(path) + 1;
    uint32_t value_length = value ? (uint32_t)text_length(value) : 0;
    struct message head = { type, 1, 0, path_length + value_length };

    store_put(&head, sizeof head);
    store_put(path, path_length);
    store_put(value, value_length);
    event_send(store_port);
    store_get(&head, sizeof head, sizeof head);
    store_get(answer, (uint32_t)size, head.length);
    event_send(store_port);
    if (size) {
        answer[head.length < size ? head.length : size - 1] = 0;
    }
    return head.type != XS_ERROR;
}

bool xs_read(const char *path, char *value, size_t size)
{
    return xs_talk(XS_READ, path, NULL, value, size);
}

bool xs_write(const char *path, const char *value)
{
    return xs_talk(XS_WRITE, path, value, NULL, 0);
}

bool xs_remove(const char *path)
{
    return xs_talk(XS_RM, path, NULL, NULL, 0);
}
