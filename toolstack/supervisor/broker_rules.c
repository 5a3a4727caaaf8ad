/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * broker_rules - what a PV worker may ask of xenstore.
 *
 * Paths (relative ones are below /local/domain/0, the supervisor's own directory):
 *   backend/{vkbd,qdisk,console,vfb,9pfs}/N and below    read, list, watch
 *   backend/{vkbd,qdisk,console}/N/D/KEY                 write, for the keys that our back ends
 *                                                        publish
 *   backend/{vfb,9pfs}/N/D/state                         write: such devices are closed
 *   /local/domain/N/device/{vkbd,vbd,console,vfb,9pfs} and below   read, list, watch
 *   /local/domain/N/device/console/D/tty                 write, /dev/pts/NUMBER only
 * Values that may be written are short and plain: toolstacks read these keys as root, and xl opens
 * what `tty` names. Watches and transactions are allowed, everything else is not.
 *
 * The number D is any number by these rules; that there is such a device the worker has to have
 * seen, in the same transaction (broker.c). So what it can create is bounded by what the toolstack
 * has.
 */
#include "toolstack/supervisor/broker.h"

#include <stdio.h>
#include <stdlib.h>

#include "toolstack/xenstore_wire.h"

enum {
    PATH_MAX_BYTES = 256, /* longer than any path that the PV protocols have */
    TOKEN_MAX_BYTES = 64,
    VALUE_MAX_BYTES = 64,
    DEVID_MAX_DIGITS = 10,
};

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Only what xenstored itself takes as a path; with neither '.' nor '@' there is no way up and no
 * special watch. */
static bool path_ok(const char *path)
{
    size_t n = strlen(path);

    return n && n <= PATH_MAX_BYTES && strspn(path, DIGITS LETTERS "-_/") == n &&
           path[n - 1] != '/' && !strstr(path, "//");
}

/* Each takes NULL for "did not match already". */
static const char *skip(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);

    return path && !strncmp(path, prefix, n) ? path + n : NULL;
}

static const char *skip_number(const char *path, unsigned number)
{
    char text[16];

    snprintf(text, sizeof text, "%u", number);
    return skip(path, text);
}

static const char *at_end(const char *path)
{
    return path && (!*path || *path == '/') ? path : NULL;
}

/* In the order of `types`. */
enum type { VKBD, QDISK, CONSOLE, VFB, NINEPFS };

/* What is behind backend/TYPE/N: "" or "/..."; NULL: the path is elsewhere. */
static const char *behind_back(unsigned domid, const char *path, enum type *type)
{
    static const char *const types[] = { "vkbd/", "qdisk/", "console/", "vfb/", "9pfs/" };
    const char *home = skip(path, "/local/domain/0/"), *rest = NULL;

    path = skip(home ? home : path, "backend/");
    for (size_t i = 0; i < ARRAY_SIZE(types) && !rest; i++) {
        rest = at_end(skip_number(skip(path, types[i]), domid));
        *type = (enum type)i;
    }
    return rest;
}

/* The same for /local/domain/N/device/TYPE. */
static const char *behind_front(unsigned domid, const char *path, const char *type)
{
    path = skip(skip_number(skip(path, "/local/domain/"), domid), "/device/");
    return at_end(skip(path, type));
}

static bool in_front(unsigned domid, const char *path)
{
    return behind_front(domid, path, "vkbd") || behind_front(domid, path, "vbd") ||
           behind_front(domid, path, "console") || behind_front(domid, path, "vfb") ||
           behind_front(domid, path, "9pfs");
}

static bool may_see(unsigned domid, const char *path)
{
    enum type type;

    return path_ok(path) && (behind_back(domid, path, &type) || in_front(domid, path));
}

/* "/D/KEY" -> "KEY"; NULL if it is not of that form. A number has one form only. */
static const char *key_of(const char *rest)
{
    size_t n = *rest == '/' ? strspn(rest + 1, DIGITS) : 0;

    if (!n || n > DEVID_MAX_DIGITS || (n > 1 && rest[1] == '0') || rest[1 + n] != '/' ||
        strchr(rest + 2 + n, '/'))
        return NULL;
    return rest + 2 + n;
}

/* The key that a path names, and of which device; NULL: it is no key of a device. `front`: it is in
 * the front end's directory, of a console. */
static const char *find_key(unsigned domid, const char *path, uint64_t *device, bool *front)
{
    const char *rest, *key;
    enum type type;

    if (!path_ok(path))
        return NULL;
    rest = behind_back(domid, path, &type);
    *front = !rest;
    if (!rest) {
        rest = behind_front(domid, path, "console");
        type = CONSOLE;
    }
    key = rest ? key_of(rest) : NULL;
    if (key)
        *device = (uint64_t)(type + 1) << 48 | strtoull(rest + 1, NULL, 10);
    return key;
}

uint64_t broker_device(unsigned domid, const char *path, bool *witness)
{
    uint64_t device = 0;
    bool front;
    const char *key = find_key(domid, path, &device, &front);

    *witness = key && !front && !strcmp(key, "frontend");
    return device;
}

/* Of a type that we have no back end for. */
static bool is_refused(uint64_t device)
{
    return device >> 48 > CONSOLE + 1;
}

static bool published(const char *key)
{
    static const char *const keys[] = {
        "state",
        "info",
        "sectors",
        "sector-size",
        "discard-granularity",
        "discard-alignment",
        "discard-secure",
        "max-ring-page-order",
        "multi-queue-max-queues",
        "feature-abs-pointer",
        "feature-raw-pointer",
        "feature-flush-cache",
        "feature-barrier",
        "feature-persistent",
        "feature-max-indirect-segments",
        "feature-discard",
    };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (!strcmp(key, keys[i]))
            return true;
    return false;
}

static bool is_pts(const char *value, size_t n)
{
    static const char pts[] = "/dev/pts/";
    const size_t head = sizeof pts - 1;

    return n > head && n <= head + DEVID_MAX_DIGITS && !strncmp(value, pts, head) &&
           strspn(value + head, DIGITS) == n - head;
}

/* `value` has a NUL behind its n bytes, so that a NUL among them shows. */
static bool may_write(unsigned domid, const char *path, const char *value, size_t n)
{
    uint64_t device = 0;
    bool front;
    const char *key = find_key(domid, path, &device, &front);

    if (!key)
        return false;
    if (front)
        return !strcmp(key, "tty") && is_pts(value, n);
    return (is_refused(device) ? !strcmp(key, "state") : published(key)) && n <= VALUE_MAX_BYTES &&
           strspn(value, DIGITS LETTERS "-_.") == n;
}

static bool watch_ok(unsigned domid, const char *path, const char *token, size_t left)
{
    size_t n = strnlen(token, left);

    return may_see(domid, path) && n && n <= TOKEN_MAX_BYTES && n + 1 == left;
}

const char *broker_path(const struct xs_header *h, const char *body)
{
    return strnlen(body, h->length) < h->length && path_ok(body) ? body : "no path";
}

bool broker_allows(unsigned domid, const struct xs_header *h, const char *body)
{
    /* Of the bytes of a body that begins with a path: how many are behind its NUL. */
    size_t path = strnlen(body, h->length), left = path < h->length ? h->length - path - 1 : 0;
    bool ended = path < h->length;

    switch (h->type) {
    case XS_READ:
    case XS_DIRECTORY:
        return ended && !left && may_see(domid, body);
    case XS_WRITE:
        return ended && may_write(domid, body, body + path + 1, left);
    case XS_WATCH:
    case XS_UNWATCH:
        return ended && !h->transaction && watch_ok(domid, body, body + path + 1, left);
    case XS_TRANSACTION_START:
        return !h->transaction && !path && !left;
    case XS_TRANSACTION_END:
        return h->transaction && path == 1 && ended && !left && (*body == 'T' || *body == 'F');
    default:
        return false;
    }
}
