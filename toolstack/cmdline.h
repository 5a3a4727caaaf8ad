/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmdline - private to the command line parser: splitting of option values.
 *
 * libxl does not double commas, so a file name with a comma arrives as it is. The options around a
 * path are therefore recognised from both ends and the path is what remains; see cmdline_disk.c.
 */
#ifndef TOOLSTACK_CMDLINE_H
#define TOOLSTACK_CMDLINE_H

#include "toolstack/config.h"

struct cmdline_chardev {
    const char *id;
    const char *path; /* socket to listen on */
    int fd;           /* inherited listening socket, or -1 */
    bool pty;
    bool used;
};

struct cmdline {
    struct config *c;
    struct error *e;
    const char *option; /* the one being parsed, without dashes */
    char *free;         /* next unused byte of c->text */
    struct cmdline_chardev chardevs[CONFIG_CHARDEVS];
    unsigned nchardevs;
};

/* Cuts the first "key" or "key=value" off *rest, in place. NULL when nothing is left. *value is
 * NULL for a bare word. */
char *cmdline_next(char **rest, char **value);

/* Cuts ",key=value" off the end of `text`, in place, if the key is one of the `nkeys` names, its
 * bit is not in *seen and the value is a plain word. Returns the key's index and sets its bit, or
 * -1. */
int cmdline_peel(char *text, const char *const *keys, unsigned nkeys, uint32_t *seen, char **value);

/* Strict numbers: all of `text`, decimal or 0x. -EINVAL with a sentence naming option and `what`.
 */
MUST_CHECK int cmdline_number(struct cmdline *p, const char *what, const char *text, uint64_t min,
                              uint64_t max, uint64_t *out);
MUST_CHECK int cmdline_onoff(struct cmdline *p, const char *what, const char *text, bool *out);

/* Sentences for the two commonest mistakes; both return -EINVAL. */
int cmdline_bad_key(struct cmdline *p, const char *key, const char *value);
int cmdline_bad_value(struct cmdline *p, const char *value, const char *want);

/* Note that the guest wants `f`; `detail` (may be NULL) will be named in the refusal. */
void cmdline_wants(struct cmdline *p, enum config_feature f, const char *detail);

/* The options with grammars of their own. `value` is writable and lives as long as the config. */
MUST_CHECK int cmdline_drive(struct cmdline *p, char *value);
MUST_CHECK int cmdline_device(struct cmdline *p, char *value);
MUST_CHECK int cmdline_nic(struct cmdline *p, const char *model, char *rest);
MUST_CHECK int cmdline_netdev(struct cmdline *p, char *value);
MUST_CHECK int cmdline_dump(struct cmdline *p, char *rest); /* -object filter-dump */
MUST_CHECK int cmdline_chardev(struct cmdline *p, char *value);
MUST_CHECK int cmdline_mon(struct cmdline *p, char *value);
MUST_CHECK int cmdline_finish_nics(struct cmdline *p);
MUST_CHECK int cmdline_finish(struct cmdline *p); /* after the last argument: do the parts fit? */

#endif
