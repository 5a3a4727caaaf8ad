/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * aio_pool - requests by threads: a few per image, started one by one while work waits, ended when
 * idle. They execute single system calls, allocate nothing and take no signals.
 * An eventfd tells the loop of completions.
 */
#include "block/aio.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "ioreq/loop.h"

enum { POOL_STACK = 64 * 1024 }; /* bytes */

struct req_list {
    struct block_req *first, *last;
};

struct aio_pool {
    struct loop *loop;
    const struct aio_client *client;
    int fd;
    unsigned max_threads, idle_ms;
    struct loop_source source; /* the eventfd */
    bool *freed;               /* set by aio_pool_free() while reap() is at work */
    bool warned;

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t work;   /* to do, or stop */
    pthread_cond_t ended;  /* the last thread is gone */
    struct req_list backlog, finished;
    unsigned queued;           /* length of backlog */
    unsigned threads, waiting; /* alive; of them without work */
    bool stop;
};

static void list_put(struct req_list *l, struct block_req *r)
{
    r->next = NULL;
    if (l->last)
        l->last->next = r;
    else
        l->first = r;
    l->last = r;
}

static struct block_req *list_get(struct req_list *l)
{
    struct block_req *r = l->first;

    if (r) {
        l->first = r->next;
        if (!l->first)
            l->last = NULL;
    }
    return r;
}

static int64_t pool_step(int fd, const struct aio_step *s)
{
    ssize_t n = -1;

    do {
        switch (s->op) {
        case AIO_READ:
            n = preadv(fd, s->iov, (int)s->niov, (off_t)s->offset);
            break;
        case AIO_WRITE:
            n = pwritev(fd, s->iov, (int)s->niov, (off_t)s->offset);
            break;
        case AIO_SYNC:
            n = fdatasync(fd);
            break;
        case AIO_PUNCH:
            n = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)s->offset,
                          (off_t)s->length);
            break;
        }
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void pool_execute(struct aio_pool *pool, struct block_req *r)
{
    struct aio_step s;
    int64_t result;

    if (pool->client->executing)
        pool->client->executing(pool->client->opaque, r);
    do {
        result = pool->client->next(r, &s);
        if (!result)
            result = pool_step(pool->fd, &s);
    } while (!pool->client->advance(r, result));
}

/* Mutex held. */
static void pool_finished(struct aio_pool *pool, struct block_req *r)
{
    static const uint64_t one = 1;
    bool first = !pool->finished.first;

    list_put(&pool->finished, r);
    if (first && write(pool->source.fd, &one, sizeof one) < 0)
        return; /* cannot be: the counter of an eventfd holds 2^64 - 2 of them */
}

static void deadline_after(struct timespec *t, unsigned ms)
{
    clock_gettime(CLOCK_MONOTONIC, t);
    t->tv_sec += ms / 1000;
    t->tv_nsec += (long)(ms % 1000) * 1000000;
    if (t->tv_nsec >= 1000000000) {
        t->tv_nsec -= 1000000000;
        t->tv_sec++;
    }
}

/* Mutex held. Waits for work; false: nothing came for idle_ms, or the pool stops. */
static bool pool_wait(struct aio_pool *pool)
{
    struct timespec until;
    int err = 0;

    deadline_after(&until, pool->idle_ms);
    pool->waiting++;
    while (!pool->backlog.first && !pool->stop && err != ETIMEDOUT)
        err = pthread_cond_timedwait(&pool->work, &pool->mutex, &until);
    pool->waiting--;
    return pool->backlog.first != NULL;
}

static void *pool_thread(void *opaque)
{
    struct aio_pool *pool = opaque;

    pthread_mutex_lock(&pool->mutex);
    while (pool->backlog.first || pool_wait(pool)) {
        struct block_req *r = list_get(&pool->backlog);

        pool->queued--;
        pthread_mutex_unlock(&pool->mutex);
        pool_execute(pool, r);
        pthread_mutex_lock(&pool->mutex);
        pool_finished(pool, r);
    }
    if (--pool->threads == 0)
        pthread_cond_signal(&pool->ended);
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* Mutex held. Starts one more thread; 0 or -errno. */
static int pool_grow(struct aio_pool *pool)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    int err;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, POOL_STACK);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&thread, &attr, pool_thread, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (!err)
        pool->threads++;
    return -err;
}

void aio_pool_start(struct aio_pool *pool, struct block_req *r)
{
    int err = -EAGAIN;

    pthread_mutex_lock(&pool->mutex);
    list_put(&pool->backlog, r);
    pool->queued++;
    if (pool->waiting < pool->queued && pool->threads < pool->max_threads)
        err = pool_grow(pool);
    if (pool->threads) {
        if (pool->waiting)
            pthread_cond_signal(&pool->work);
        r = NULL; /* somebody will get to it */
    } else {
        r = list_get(&pool->backlog);
        pool->queued--;
    }
    pthread_mutex_unlock(&pool->mutex);
    if (!r)
        return;
    /* No thread can be had at all: a guest that waits is better off than one that gets errors. */
    if (!pool->warned)
        log_warn("no thread for disk I/O (%s): the guest stands still during slow requests",
                 strerror(-err));
    pool->warned = true;
    pool_execute(pool, r);
    pthread_mutex_lock(&pool->mutex);
    pool_finished(pool, r);
    pthread_mutex_unlock(&pool->mutex);
}

bool aio_pool_reap(struct aio_pool *pool)
{
    bool freed = false, *outer = pool->freed;
    struct block_req *r;
    uint64_t count;

    /* The list decides, not the eventfd: a reap inside a callback of another one finds the eventfd
     * read already. */
    (void)!read(pool->source.fd, &count, sizeof count);
    pool->freed = &freed;
    for (;;) {
        pthread_mutex_lock(&pool->mutex);
        r = list_get(&pool->finished);
        pthread_mutex_unlock(&pool->mutex);
        if (!r)
            break;
        pool->client->completed(r);
        if (freed) {
            if (outer)
                *outer = true;
            return false;
        }
    }
    pool->freed = outer;
    return true;
}

static void pool_ready(void *opaque, uint32_t events)
{
    (void)events;
    aio_pool_reap(opaque);
}

struct aio_pool *aio_pool_new(struct loop *l, int fd, const struct aio_client *client,
                              unsigned threads, unsigned idle_ms)
{
    struct aio_pool *pool = calloc(1, sizeof *pool);
    pthread_condattr_t attr;
    int err;

    if (!pool)
        return NULL;
    pool->loop = l;
    pool->fd = fd;
    pool->client = client;
    pool->max_threads = threads;
    pool->idle_ms = idle_ms;
    pool->source.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pool->source.promised = true;
    pool->source.ready = pool_ready;
    pool->source.opaque = pool;
    if (pool->source.fd < 0)
        goto no_eventfd; /* free() and close() that succeed leave errno alone */
    err = loop_add(l, &pool->source, EPOLLIN);
    if (err < 0) {
        errno = -err;
        goto no_loop;
    }
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->work, &attr);
    pthread_cond_init(&pool->ended, &attr);
    pthread_condattr_destroy(&attr);
    return pool;

no_loop:
    close(pool->source.fd);
no_eventfd:
    free(pool);
    return NULL;
}

int aio_pool_fd(const struct aio_pool *pool)
{
    return pool->source.fd;
}

unsigned aio_pool_threads(struct aio_pool *pool)
{
    unsigned n;

    pthread_mutex_lock(&pool->mutex);
    n = pool->threads;
    pthread_mutex_unlock(&pool->mutex);
    return n;
}

void aio_pool_free(struct aio_pool *pool)
{
    if (!pool)
        return;
    if (pool->freed)
        *pool->freed = true;
    pthread_mutex_lock(&pool->mutex);
    pool->stop = true;
    pthread_cond_broadcast(&pool->work);
    while (pool->threads)
        pthread_cond_wait(&pool->ended, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
    loop_remove(pool->loop, &pool->source);
    close(pool->source.fd);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->ended);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}
