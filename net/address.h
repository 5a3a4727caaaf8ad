/* SPDX-License-Identifier: GPL-2.0-or-later */
/* address - "1.2.3.4:80", "[::1]:80", ":80" and "unix:/path" for kinds of peers; no names. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"

struct net_address {
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
    socklen_t size;
};

/* 0, or -EINVAL with a sentence. */
MUST_CHECK int net_address_parse(const char *label, const char *text, struct net_address *a,
                                 struct error *e);
/* The same, and a socket of this family; -errno with a sentence. */
MUST_CHECK int net_address_socket(const char *label, const char *text, int type,
                                  struct net_address *a, struct error *e);
/* Removes the file of a Unix socket; for others nothing. */
void net_address_unlink(const struct net_address *a);
/* "a.b.c.d"; false: it is not. */
MUST_CHECK bool net_ip4(const char *text, struct in_addr *a);
/* 1 to 65535; 0: it is not. */
uint16_t net_port(const char *text);

#endif
