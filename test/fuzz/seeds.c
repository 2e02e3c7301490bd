/* SPDX-License-Identifier: Apache-2.0 */

/*
 * seeds FILE|FOLDER…   runs one target on inputs that are kept, with any compiler
 *
 * Ends as the target ends: a promise that is broken aborts. No input at all is a failure.
 */

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "fileio.h"
#include "fuzz.h"

#define INPUT_MAX ((size_t)16 * 1024 * 1024)

static size_t inputs;

static int run_file(int dir, const char *name) {
        _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
        _cleanup_free_ char *text = NULL;
        _cleanup_free_ uint8_t *exact = NULL;
        size_t size;

        if (fd < 0 || fd_read_all(fd, INPUT_MAX, &text, &size) < 0) {
                perror(name);
                return -1;
        }
        fprintf(stderr, "%s\n", name);
        /* Without the NUL that a read adds, so that a look beyond the end is seen. */
        exact = malloc(size ? size : 1);
        PROMISE(exact);
        memcpy(exact, text, size);
        inputs++;
        return LLVMFuzzerTestOneInput(exact, size);
}

static int is_input(const struct dirent *de) {
        return de->d_name[0] != '.';
}

static int run_folder(int dir) {
        struct dirent **names;
        int n = scandirat(dir, ".", &names, is_input, alphasort), r = 0;

        if (n < 0)
                return -1;
        for (int i = 0; i < n; i++) {
                if (r == 0)
                        r = run_file(dir, names[i]->d_name);
                free(names[i]);
        }
        free(names);
        return r;
}

static int run(const char *path) {
        _cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return dir >= 0 ? run_folder(dir) : run_file(AT_FDCWD, path);
}

int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                if (run(argv[i]) != 0)
                        return 1;
        printf("%zu inputs\n", inputs);
        return inputs == 0;
}
