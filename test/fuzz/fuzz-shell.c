/* SPDX-License-Identifier: Apache-2.0 */

/* The lexer that looks for uses of a variable. What it finds stands there; what does not stand there it does not find. */

#include "fuzz.h"
#include "shell-scan.h"

static bool contains(const char *text, size_t size, const char *what) {
        return memmem(text, size, what, strlen(what)) != NULL;
}

static void promise_use(const char *text, size_t size, const char *variable) {
        ShellUse use = { SIZE_MAX, false }, again = { SIZE_MAX, true };
        bool found = shell_scan(text, size, variable, &use);

        PROMISE(shell_scan(text, size, variable, &again) == found);
        if (!found) {
                PROMISE(use.offset == SIZE_MAX && again.offset == SIZE_MAX);
                return;
        }
        PROMISE(use.offset == again.offset && use.tilde == again.tilde);
        PROMISE(use.offset < size && text[use.offset] == (use.tilde ? '~' : '$'));
        if (use.tilde)
                PROMISE(streq(variable, "HOME"));
        else
                PROMISE(contains(text + use.offset, size - use.offset, variable));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *copy = input_text(data, size);
        /* Exactly as long as it is said to be. */
        const char *text = (const char *)data, *newline = memchr(data, '\n', size);
        ShellUse use;

        if (size == 0)
                return 0;
        promise_use(text, size, "HOME");
        promise_use(text, size, "USER");
        if (!contains(text, size, "A_NAME"))
                PROMISE(!shell_scan(text, size, "A_NAME", &use));
        (void)shell_interpreter(text, newline ? (size_t)(newline - text) : size);
        for (size_t i = 0; i < size; i++)
                if (copy[i] == '$' || copy[i] == '~')
                        copy[i] = '_';
        PROMISE(!shell_scan(copy, size, "HOME", &use));
        return 0;
}
