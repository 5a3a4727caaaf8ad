/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * png-info: what is in a PNG file, by libpng.
 *
 *   png-info FILE
 *
 * Prints "WIDTH HEIGHT COLOURS DIFFERENT": the size, how many colours it has (it stops to count at
 * COLOURS_MAX), and how many pixels differ from the first one. Exit status 1: not a whole PNG file.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#define COLOURS_MAX 256

static void count(const uint32_t *pixels, size_t n, size_t *colours, size_t *different)
{
    uint32_t seen[COLOURS_MAX];

    *colours = *different = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;

        *different += pixels[i] != pixels[0];
        while (at < *colours && seen[at] != pixels[i]) {
            at++;
        }
        if (at == *colours && *colours < COLOURS_MAX) {
            seen[(*colours)++] = pixels[i];
        }
    }
}

int main(int argc, char **argv)
{
    png_image image = { .version = PNG_IMAGE_VERSION };
    size_t colours, different;
    uint32_t *pixels;

    if (argc != 2) {
        fprintf(stderr, "usage: png-info FILE\n");
        return 2;
    }
    if (!png_image_begin_read_from_file(&image, argv[1])) {
        fprintf(stderr, "png-info: %s: %s\n", argv[1], image.message);
        return 1;
    }
    image.format = PNG_FORMAT_RGBA;
    pixels = malloc(PNG_IMAGE_SIZE(image));
    if (!pixels || !png_image_finish_read(&image, NULL, pixels, 0, NULL)) {
        fprintf(stderr, "png-info: %s: %s\n", argv[1], pixels ? image.message : strerror(errno));
        return 1;
    }
    count(pixels, (size_t)image.width * image.height, &colours, &different);
    printf("%u %u %zu %zu\n", image.width, image.height, colours, different);
    free(pixels);
    return 0;
}
