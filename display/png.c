/* SPDX-License-Identifier: GPL-2.0-or-later */
/* png - see png.h. */
#include "display/png.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

struct sink {
    int fd;
    int err; /* -errno of the first failed write */
};

static void write_bytes(png_structp png, png_bytep bytes, png_size_t n)
{
    struct sink *sink = png_get_io_ptr(png);

    while (n > 0) {
        ssize_t done = write(sink->fd, bytes, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            sink->err = done < 0 ? -errno : -EIO;
            png_error(png, "write failed");
        }
        bytes += done;
        n -= (png_size_t)done;
    }
}

static void flush_bytes(png_structp png)
{
    (void)png; /* nothing is buffered here */
}

/* libpng's own messages are no sentences: only the jump matters. */
static void quiet_error(png_structp png, png_const_charp text)
{
    (void)text;
    png_longjmp(png, 1);
}

static void quiet_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void write_rows(png_structp png, png_infop info, const struct surface *s, uint8_t *row)
{
    png_set_IHDR(png, info, s->width, s->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (uint32_t y = 0; y < s->height; y++) {
        const uint32_t *p = s->pixels + (size_t)y * s->width;

        for (uint32_t x = 0; x < s->width; x++) {
            row[x * 3] = (uint8_t)(p[x] >> 16);
            row[x * 3 + 1] = (uint8_t)(p[x] >> 8);
            row[x * 3 + 2] = (uint8_t)p[x];
        }
        png_write_row(png, row);
    }
    png_write_end(png, NULL);
}

/* False if libpng jumped back. Nothing that changes on the way may be a local of this function. */
static bool try_write(png_structp png, png_infop info, const struct surface *s, uint8_t *row,
                      struct sink *sink)
{
    if (setjmp(png_jmpbuf(png)) != 0)
        return false;
    png_set_write_fn(png, sink, write_bytes, flush_bytes);
    write_rows(png, info, s, row);
    return true;
}

int png_encode(const struct surface *s, int fd, struct error *e)
{
    struct sink sink = { fd, 0 };
    png_structp png;
    png_infop info = NULL;
    uint8_t *row;

    if (!s->pixels || s->width == 0 || s->height == 0)
        return error_set(e, -EINVAL, "there is no picture to write");
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, quiet_error, quiet_warning);
    if (png)
        info = png_create_info_struct(png);
    row = malloc((size_t)s->width * 3);
    if (!info || !row)
        sink.err = -ENOMEM;
    else if (!try_write(png, info, s, row, &sink) && sink.err == 0)
        sink.err = -EIO;
    png_destroy_write_struct(&png, &info);
    free(row);
    if (sink.err < 0)
        return error_set(e, sink.err, "cannot write the picture: %s", strerror(-sink.err));
    return 0;
}
