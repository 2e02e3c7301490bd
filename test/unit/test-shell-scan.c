/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cleanup.h"
#include "shell-scan.h"

/* The line of the first use of HOME, 0 if there is none. */
static size_t use_line(const char *text, size_t size) {
        ShellUse use;
        size_t line = 1;

        if (!shell_scan(text, size, "HOME", &use))
                return 0;
        assert_true(use.offset < size);
        assert_int_equal(text[use.offset], use.tilde ? '~' : '$');
        for (size_t i = 0; i < use.offset; i++)
                line += text[i] == '\n';
        return line;
}

typedef struct Case {
        const char *text;
        size_t line;
} Case;

static void check(const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                size_t line = use_line(cases[i].text, strlen(cases[i].text));

                if (line != cases[i].line)
                        fail_msg("line %zu instead of %zu in: %s", line, cases[i].line,
                                cases[i].text);
        }
}

static void test_forms(void **state _unused_) {
        static const Case cases[] = {
                { "", 0 },
                { "echo $HOME", 1 },
                { "\n\n  cp \"$HOME/x\" .\n", 3 },
                { "echo ${HOME}", 1 },
                { "echo ${HOME:-x}", 1 },
                { "echo ${#HOME}", 1 },
                { "echo ${!HOME}", 1 },
                { "echo ${HOME[0]}", 1 },
                { "echo ${HOME%/*} ${HOME/a/b}", 1 },
                { "echo ${!HOME*} \"${!HOME@}\"", 0 },
                { "echo ${X:-$HOME}", 1 },
                { "echo \"${X:-${Y:-\"$HOME\"}}\"", 1 },
                { "echo \"${X:-'$HOME'}\"", 1 },
                { "echo ${X:-'$HOME'}", 0 },
                { "echo ${X:-a\\}$HOME}", 1 },
                { "echo $(ls $HOME)", 1 },
                { "echo \"$(ls \"$HOME\")\"", 1 },
                { "echo `ls $HOME`", 1 },
                { "echo \"`ls \"$HOME\"`\"", 1 },
                { "echo $(($HOME+1))", 1 },
                { "echo $[$HOME+1]", 1 },
                { "x=(a $HOME b)", 1 },
                { "x[$HOME]=1", 1 },
                { "cat <(ls $HOME)", 1 },
                { "cat <<< $HOME", 1 },
                { "echo >$HOME/log", 1 },
                { "echo hi 2>>\"$HOME\"/log", 1 },
                { "[[ -e $HOME/x ]]", 1 },
                { "case $HOME in *) ;; esac", 1 },
                { "if cd $HOME; then :; fi", 1 },
                { "$HOME/bin/tool", 1 },
                { "a\\\n$HOME", 2 },
                { "echo $'a\\'b' $HOME", 1 },
                { "echo $\"$HOME\"", 1 },
                { "echo $$HOME $#HOME", 0 },
                { "echo '$'HOME $ HOME HOME", 0 },
                { "echo $HOMEDIR ${HOMEDIR} $CUDA_HOME ${CUDA_HOME} $HOME_ $HOME2", 0 },
                { "echo ${HOME", 1 },
                { "echo \"$HOME", 1 },
                { "echo $", 0 },
                { "echo ${", 0 },
                { "export HOME", 0 },
                { "[ -v HOME ] && printenv HOME", 0 },
        };

        check(cases, ELEMENTSOF(cases));
}

static void test_quoting(void **state _unused_) {
        static const Case cases[] = {
                { "# $HOME\necho", 0 },
                { "echo a # $HOME ` \" '\necho $HOME", 2 },
                { "echo a#$HOME", 1 },
                { "echo ${#x} $HOME", 1 },
                { "echo '$HOME'", 0 },
                { "echo '\n$HOME' \"$HOME\"", 2 },
                { "echo \\$HOME \"\\$HOME\"", 0 },
                { "echo \\\\$HOME", 1 },
                { "echo \"\\\\$HOME\"", 1 },
                { "echo \"'$HOME'\"", 1 },
                { "echo '\"'$HOME'\"'", 1 },
                { "echo $'\\'$HOME'", 0 },
                { "echo \"it's\" '$HOME'", 0 },
                { "echo \"$(echo 'a)' '$HOME')\"", 0 },
                { "echo \"$(echo 'a)')\" '$HOME'", 0 },
                { "echo $(echo a # ) '\n) '$HOME'", 0 },
                { "echo `echo '$HOME'`", 0 },
                { "awk '{print $HOME}'", 0 },
                { "echo $(case x in a) echo;; (b|c) ;; esac) '$HOME'", 0 },
                { "echo $(case x in\n# c\nesac; case y in y) case z in z) ;; esac;; esac) '$HOME'",
                        0 },
                { "echo \"${x:-it's}\" '$HOME'", 0 },
                { "echo \"${x%\"}\"}\" '$HOME'", 0 },
                { "echo $((1 << 2)) $(( (3) << (4) ))\n$HOME\n2", 2 },
                { "(( x = 1 << 2 ))\n$HOME", 2 },
                { "for ((i = 1 << 2; i; i--)); do :; done\n$HOME", 2 },
                { "((cd /; ls); (ls # it's\n)) ; $HOME", 2 },
                { "f() { echo; }; f (x) '$HOME'", 0 },
                { "echo !(a|b) @(c'|'d) '$HOME'", 0 },
                { "[[ $x =~ ^(a|b)$ ]] && echo '$HOME'", 0 },
        };

        check(cases, ELEMENTSOF(cases));
}

static void test_heredocs(void **state _unused_) {
        static const Case cases[] = {
                { "cat <<EOF\n$HOME\nEOF\n", 2 },
                { "cat <<'EOF'\n$HOME\nEOF\n", 0 },
                { "cat <<\"E O F\"\n$HOME\nE O F\n", 0 },
                { "cat <<\\EOF\n$HOME\nEOF\n$HOME", 4 },
                { "cat <<E'O'F\n$HOME\nEOF\n$HOME", 4 },
                { "cat <<-'EOF'\n\t$HOME\n\t\tEOF\n$HOME", 4 },
                { "cat << 'EOF'\n EOF\n$HOME\nEOF\n", 0 },
                { "cat <<EOF\n~/x \\$HOME\nEOF\n", 0 },
                { "cat <<EOF\nit's '$HOME'\nEOF\n", 2 },
                { "cat <<EOF\n\"${X:-$HOME}\" `ls`\nEOF\n", 2 },
                { "cat <<EOF\n$(ls '$HOME' # x\n)\nEOF\n", 0 },
                { "cat <<'A' <<B\n$HOME\nA\n$HOME\nB\n", 4 },
                { "cat <<'A' | tee $HOME\nA\n", 1 },
                { "cat <<'A' # $HOME\n$HOME\nA\n", 0 },
                { "x=$(cat <<'A'\n$HOME ) \" '\nA\n)\n$HOME", 5 },
                { "cat <<'A'\n$HOME", 0 },
                { "cat <<A\n", 0 },
                { "cat <<", 0 },
                { "cat <<'", 0 },
                { "if true; then cat <<'A' >x; fi\n$HOME\nA\n", 0 },
                { "cat 0<<'A'\n$HOME\nA\n", 0 },
        };

        check(cases, ELEMENTSOF(cases));
}

static void test_tilde(void **state _unused_) {
        static const Case cases[] = {
                { "cd ~", 1 },
                { "cd ~/x", 1 },
                { "cd ~;", 1 },
                { "(cd ~)", 1 },
                { "x=~/x", 1 },
                { "PATH=/bin:~/bin", 1 },
                { "export PATH=$PATH:~/bin", 1 },
                { "dd if=~/x", 1 },
                { "x+=~/x", 1 },
                { "x=(~/a)", 1 },
                { "echo ${x:-~/y} ", 1 },
                { "echo ${1-~}", 1 },
                { "cat < ~/x", 1 },
                { "cat <<< ~/x", 1 },
                { "cd `echo ~`", 1 },
                { "[[ $x == ~/* ]]", 1 },
                { "case $x in ~/*) ;; esac", 1 },
                { "echo \"~/\" '~/' \\~/ ~\"/x\" ~\\/x", 0 },
                { "echo \"${x:-~/y}\"", 0 },
                { "sed s~/a~b~ x~ a~/b", 0 },
                { "cd ~user ~user/x ~+ ~- ~~", 0 },
                { "echo --x=~/y a:~/b 1=~/c =~/d", 0 },
                { "x=\"a:~/b\" y='~/c'", 0 },
                { "x=a\\:~/b", 0 },
                { "echo $((~1)) a# ~user", 0 },
                { "# ~/x", 0 },
                { "HOME=/x\ncd ~/y", 0 },
        };

        check(cases, ELEMENTSOF(cases));
}

static void test_set_by_script(void **state _unused_) {
        static const Case cases[] = {
                { "HOME=/x\ncd $HOME", 0 },
                { "cd $HOME; HOME=/x", 1 },
                { "HOME=/x; cd $HOME ~/a", 0 },
                { "HOME=/x && cd $HOME", 0 },
                { "HOME=$HOME/x", 1 },
                { "HOME=/x cmd $HOME", 1 },
                { "HOME=/x cmd\n$HOME", 2 },
                { "HOME=/x A=$HOME", 0 },
                { "HOME=/x A=$HOME cmd $HOME", 1 },
                { "HOME=/x >$HOME/log", 1 },
                { "HOME=/x A=$(echo $HOME)", 0 },
                { "A=1 HOME=/x >log\n$HOME", 0 },
                { "HOME+=/x\n$HOME", 2 },
                { "XHOME=/x\n$HOME", 2 },
                { "export HOME=/x\n$HOME", 0 },
                { "export A=1 HOME=\"$PWD\" B=2\n$HOME", 0 },
                { "export HOME=/x A=$HOME", 1 },
                { "export HOME; $HOME", 1 },
                { "declare -x HOME=/x; $HOME", 0 },
                { "typeset HOME=/x; $HOME", 0 },
                { "readonly HOME=/x; $HOME", 0 },
                { "command export HOME=/x; $HOME", 0 },
                { "setenv HOME /x\n$HOME", 0 },
                { "read -r HOME < file\n$HOME", 0 },
                { "while IFS= read -r A HOME; do $HOME; done", 0 },
                { "echo read HOME; $HOME", 1 },
                { "printf -v HOME %s x; $HOME", 0 },
                { "printf HOME; $HOME", 1 },
                { "for HOME in a b; do $HOME; done", 0 },
                { "for HOME in $HOME/*; do :; done", 1 },
                { "for v in HOME; do :; done; $HOME", 1 },
                { "unset HOME; $HOME", 1 },
                { "echo HOME=/x; $HOME", 1 },
                { "env HOME=/x cmd; $HOME", 1 },
                { "echo \"\nHOME=/x\n\"; $HOME", 3 },
                { "# HOME=/x\n$HOME", 2 },
                { "if x; then HOME=/x; fi; $HOME", 0 },
                { "if [ -d a ]; then\n  HOME=/x\nfi\n$HOME", 0 },
                { "f() { local HOME=/x; }; $HOME", 0 },
                { "function f { HOME=/x; }; $HOME", 0 },
                { "case x in x) HOME=/x ;; esac; $HOME", 0 },
                { "(HOME=/x; cd $HOME); echo", 0 },
                { "(HOME=/x); cd $HOME", 1 },
                { "x=$(HOME=/x; pwd); cd $HOME", 1 },
                { "HOME=/x 2>&1; $HOME", 0 },
                { "x=(HOME=/x); $HOME", 1 },
                { "cat <<E\nHOME=/x\nE\n$HOME", 4 },
        };

        check(cases, ELEMENTSOF(cases));
}

static void test_other_variables(void **state _unused_) {
        const char *text = "cp $HOME ~/x ${USER[0]}";
        ShellUse use;

        assert_true(shell_scan(text, strlen(text), "USER", &use));
        assert_int_equal(use.offset, strlen("cp $HOME ~/x "));
        assert_false(use.tilde);
        assert_false(shell_scan(text, strlen(text), "LOGNAME", &use));
        assert_false(shell_scan(text, strlen(text), "", &use));
}

/* What a hostile script may try: the stack, the running time, the end of the buffer. */
static void test_hostile(void **state _unused_) {
        static const char *const seeds[] = { "$(", "${", "((", "`", "\"$(", "$((", "(", "a[",
                "<<E\n", "${x:-", "\"", "x=(", "@(", "case x in ", "\\", "$[", "<<'", "$'" };
        const size_t size = 1 << 20;

        for (size_t i = 0; i < ELEMENTSOF(seeds); i++) {
                _cleanup_free_ char *text = malloc(size);
                size_t n = strlen(seeds[i]);

                assert_non_null(text);
                for (size_t j = 0; j < size; j++)
                        text[j] = seeds[i][j % n];
                assert_int_equal(use_line(text, size), 0);
        }
}

/* Whatever is cut and mixed, the scan stays in its buffer (the sanitizer looks on) and ends. */
static void test_mixtures(void **state _unused_) {
        static const char *const pieces[] = { "$", "{", "}", "(", ")", "\"", "'", "`", "\\", "\n",
                "#", "~", "/", " ", "<<", "E", "-", "HOME", "=", "case", " in ", "esac", ";;", ";",
                "&", "|", ">", "[", "]", "!", "for ", "read ", "export ", "do ", ":" };
        uint32_t random = 1;

        for (int i = 0; i < 20000; i++) {
                char buffer[256];
                size_t size = 0, count;
                _cleanup_free_ char *exact = NULL;

                random = random * 1664525 + 1013904223;
                count = random >> 27;
                for (size_t j = 0; j < count; j++) {
                        const char *piece;

                        random = random * 1664525 + 1013904223;
                        piece = pieces[(random >> 8) % ELEMENTSOF(pieces)];
                        memcpy(buffer + size, piece, strlen(piece));
                        size += strlen(piece);
                }
                exact = malloc(size + !size);
                assert_non_null(exact);
                memcpy(exact, buffer, size);
                (void)use_line(exact, size);
        }
}

static bool is_shell(const char *line) {
        return shell_interpreter(line, strlen(line));
}

static void test_interpreter(void **state _unused_) {
        assert_true(is_shell("#!/bin/bash"));
        assert_true(is_shell("#!/bin/bash -l"));
        assert_true(is_shell("#! /bin/sh -e"));
        assert_true(is_shell("#!/usr/bin/env bash"));
        assert_true(is_shell("#!/usr/bin/env -S A=/b/c zsh -f"));
        assert_true(is_shell("#!/bin/tcsh\r"));
        assert_false(is_shell("#!/usr/bin/env python3"));
        assert_false(is_shell("#!/usr/bin/env"));
        assert_false(is_shell("#!/usr/bin/python3 bash"));
        assert_false(is_shell("#!"));
        assert_false(is_shell("#"));
        assert_false(is_shell(""));
        assert_false(is_shell("#!/bin/bashfoo"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_forms),
                cmocka_unit_test(test_quoting),
                cmocka_unit_test(test_heredocs),
                cmocka_unit_test(test_tilde),
                cmocka_unit_test(test_set_by_script),
                cmocka_unit_test(test_other_variables),
                cmocka_unit_test(test_hostile),
                cmocka_unit_test(test_mixtures),
                cmocka_unit_test(test_interpreter),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
