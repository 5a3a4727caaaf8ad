/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * allocations - counts what our code allocates (S14). Test programs are linked with --wrap for
 * these names; calls that libraries make among themselves do not count.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/oracle.h"

static uint64_t count;

uint64_t allocations(void)
{
    return count;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t size)
{
    count++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    count++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    count++;
    return __real_realloc(p, size);
}

char *__wrap_strdup(const char *s)
{
    count++;
    return __real_strdup(s);
}
