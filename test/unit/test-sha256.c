/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cleanup.h"
#include "sha256.h"

static void assert_digest(const char *text, const char *expected) {
        char hex[SHA256_HEX_MAX];

        sha256_hex(text, strlen(text), hex);
        assert_string_equal(hex, expected);
}

/* FIPS 180-4's examples, published by NIST. */
static void test_published(void **state _unused_) {
        assert_digest("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_digest("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
        assert_digest("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                      "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

static void test_million(void **state _unused_) {
        static const uint8_t expected[] = { 0xcd, 0xc7, 0x6e, 0x5c, 0x99, 0x14, 0xfb, 0x92, 0x81,
                0xa1, 0xc7, 0xe2, 0x84, 0xd7, 0x3e, 0x67, 0xf1, 0x80, 0x9a, 0x48, 0xa4, 0x97, 0x20,
                0x0e, 0x04, 0x6d, 0x39, 0xcc, 0xc7, 0x11, 0x2c, 0xd0 };
        uint8_t digest[SHA256_SIZE];
        char block[1000];
        Sha256 h;

        memset(block, 'a', sizeof(block));
        sha256_init(&h);
        for (int i = 0; i < 1000; i++)
                sha256_update(&h, block, sizeof(block));
        sha256_final(&h, digest);
        assert_memory_equal(digest, expected, sizeof(expected));
}

/* However a text is cut into updates, and wherever the padding falls, the digest is the same. */
static void test_pieces(void **state _unused_) {
        char text[200];

        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = (char)(i * 7);
        for (size_t size = 0; size <= sizeof(text); size++) {
                uint8_t digest[SHA256_SIZE], again[SHA256_SIZE];
                Sha256 h;

                sha256_init(&h);
                sha256_update(&h, text, size);
                sha256_final(&h, digest);
                sha256_init(&h);
                for (size_t i = 0; i < size; i++)
                        sha256_update(&h, text + i, 1);
                sha256_final(&h, again);
                assert_memory_equal(digest, again, sizeof(digest));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_published),
                cmocka_unit_test(test_million),
                cmocka_unit_test(test_pieces),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
