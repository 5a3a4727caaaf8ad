/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client - the far end of a stream socket whose near end is served in this process.
 *
 * Functions check with cmocka's assertions.
 */
#ifndef TESTS_CLIENT_H
#define TESTS_CLIENT_H

#include <stddef.h>

struct loop;

int client_pair(int *server); /* a new pair; returns the client's end */

void client_settle(struct loop *l); /* turn the loop until nothing is left to do */

void client_say(int fd, const char *text, size_t n);
/* What has come so far, as text; the number of bytes. */
size_t client_receive(int fd, char *buf, size_t size);
/* Say, settle, receive; the answer is good until the next call. */
const char *client_ask(struct loop *l, int fd, const char *text);

#endif
