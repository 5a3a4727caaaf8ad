/* SPDX-License-Identifier: GPL-2.0-or-later */
/* address - see address.h. */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

bool net_ip4(const char *text, struct in_addr *a)
{
    return inet_pton(AF_INET, text, a) == 1;
}

uint16_t net_port(const char *text)
{
    char *end;
    unsigned long n;

    if (*text < '0' || *text > '9')
        return 0;
    n = strtoul(text, &end, 10);
    return *end || n > UINT16_MAX ? 0 : (uint16_t)n;
}

static bool parse_unix(const char *path, struct net_address *a)
{
    size_t n = strlen(path);

    if (n == 0 || n >= sizeof a->un.sun_path)
        return false;
    a->un.sun_family = AF_UNIX;
    memcpy(a->un.sun_path, path, n + 1);
    a->size = sizeof a->un;
    return true;
}

static bool parse_ip(const char *text, struct net_address *a)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    uint16_t port = colon ? net_port(colon + 1) : 0;
    char host[INET6_ADDRSTRLEN + 2];

    if (!port || n >= sizeof host)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        a->in6.sin6_family = AF_INET6;
        a->in6.sin6_port = htons(port);
        a->size = sizeof a->in6;
        return inet_pton(AF_INET6, host + 1, &a->in6.sin6_addr) == 1;
    }
    a->in4.sin_family = AF_INET;
    a->in4.sin_port = htons(port);
    a->size = sizeof a->in4;
    return n == 0 || net_ip4(host, &a->in4.sin_addr);
}

int net_address_parse(const char *label, const char *text, struct net_address *a, struct error *e)
{
    bool ok;

    memset(a, 0, sizeof *a);
    ok = strncmp(text, "unix:", 5) == 0 ? parse_unix(text + 5, a) : parse_ip(text, a);
    return ok ? 0
              : error_set(e, -EINVAL,
                          "network %s: '%s' is no address: it takes 1.2.3.4:PORT, [IPV6]:PORT or "
                          "unix:PATH, not a name",
                          label, text);
}

int net_address_socket(const char *label, const char *text, int type, struct net_address *a,
                       struct error *e)
{
    int fd, err = net_address_parse(label, text, a, e);

    if (err)
        return err;
    fd = socket(a->sa.sa_family, type | SOCK_CLOEXEC, 0);
    return fd >= 0 ? fd
                   : error_set(e, -errno, "network %s: no socket for %s: %s", label, text,
                               strerror(errno));
}

void net_address_unlink(const struct net_address *a)
{
    if (a->sa.sa_family == AF_UNIX && a->un.sun_path[0])
        unlink(a->un.sun_path);
}
