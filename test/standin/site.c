/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sinfo and sacctmgr: what the site offers, from the knobs. As much of them as setup and doctor
 * ask for.
 */
#include "standin.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SINFO_FORMAT "%9P %.5a %.10l %.6D %.6t %N"

static const char *sinfo_value(char letter, const char *partition, bool first) {
        static char buf[300];
        bool up = !strcmp(knob("partition_state", "up"), "up");

        switch (letter) {
        case 'P':
                snprintf(buf, sizeof(buf), "%s%s", partition, first ? "*" : "");
                return buf;
        case 'R':
                return partition;
        case 'a':
                return up ? "up" : "down";
        case 'l':
                return "infinite";
        case 'D':
                return "1";
        case 'T':
        case 't':
                return "idle";
        case 'N':
                return node_name();
        case 'F':
                return "0/1/0/1";
        case 'C':
                return "0/64/0/64";
        case 'c':
                return "64";
        case 'm':
                return "1";
        default:
                return "";
        }
}

static const char *sinfo_heading(char letter) {
        static const char *const headings[] = { "PPARTITION", "RPARTITION", "aAVAIL", "lTIMELIMIT",
                "DNODES", "TSTATE", "tSTATE", "NNODELIST", "FNODES(A/I/O/T)", "CCPUS(A/I/O/T)",
                "cCPUS", "mMEMORY" };

        for (size_t i = 0; i < sizeof(headings) / sizeof(*headings); i++)
                if (headings[i][0] == letter)
                        return headings[i] + 1;
        return "";
}

static void sinfo_row(Text *out, const char *format, const char *partition, bool first) {
        for (const char *p = format; *p; p++) {
                bool right = false;
                char *end;
                size_t width;

                if (*p != '%') {
                        text_add_bytes(out, p, 1);
                        continue;
                }
                right = p[1] == '.';
                width = strtoul(p + 1 + right, &end, 10);
                p = end;
                if (!*p)
                        break;
                text_add_padded(out,
                        partition ? sinfo_value(*p, partition, first) : sinfo_heading(*p), width,
                        right);
        }
        text_add(out, "\n");
}

int main_sinfo(int argc, char **argv) {
        static const struct option longs[] = {
                { "noheader", no_argument, NULL, 'h' },
                { "format", required_argument, NULL, 'o' },
                { "partition", required_argument, NULL, 'p' },
                { "summarize", no_argument, NULL, 's' },
                { "all", no_argument, NULL, 'a' },
                { "version", no_argument, NULL, 'V' },
                { "clusters", required_argument, NULL, 'M' },
                { "Node", no_argument, NULL, 'N' },
                { "states", required_argument, NULL, 't' },
                {},
        };
        const char *format = SINFO_FORMAT, *only = NULL, *list = knob("partitions", "debug");
        bool header = true;
        Text out = {};
        int c;

        while ((c = getopt_long(argc, argv, "ahM:Nn:o:p:st:vV", longs, NULL)) != -1) {
                if (c == '?')
                        die(1, "Try \"sinfo --help\" for more information");
                if (c == 'V') {
                        puts(SLURM_VERSION_TEXT);
                        return 0;
                }
                header &= c != 'h';
                format = c == 'o' ? optarg : format;
                only = c == 'p' ? optarg : only;
        }
        faults_before("sinfo");
        if (header)
                sinfo_row(&out, format, NULL, false);
        for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',') {
                size_t n = strcspn(p, ",");
                char name[256];

                snprintf(name, sizeof(name), "%.*s", (int)n, p);
                if (!only || list_has(only, p, n))
                        sinfo_row(&out, format, name, p == list);
        }
        answer("sinfo", &out, 0);
}

/* ---- sacctmgr ---- */

typedef struct Listing {
        const char *entity, *default_format;
        const char *items; /* the knob whose words are the rows */
        const char *items_default;
} Listing;

static const Listing listings[] = {
        { "associations", "Cluster,Account,User,Partition,QOS", "accounts", "proj" },
        { "qos", "Name,Priority", "qos", "normal" },
        { "clusters", "Cluster,ControlHost,ControlPort,RPC", "cluster", "standin" },
        { "accounts", "Account,Descr,Org", "accounts", "proj" },
        { "users", "User,Def Acct,Admin", "accounts", "proj" },
};

static bool begins(const char *word, size_t n, const char *full) {
        return n && !strncasecmp(word, full, n);
}

static const char *sacctmgr_value(const char *field, size_t n, const char *item) {
        if (begins(field, n, "User"))
                return user_name(getuid());
        if (begins(field, n, "Cluster"))
                return knob("cluster", "standin");
        if (begins(field, n, "QOS"))
                return knob("qos", "normal");
        if (begins(field, n, "Account") || begins(field, n, "Name") || begins(field, n, "Descr") ||
                begins(field, n, "Org") || begins(field, n, "DefaultAccount"))
                return item;
        if (begins(field, n, "ControlHost"))
                return "127.0.0.1";
        if (begins(field, n, "ControlPort"))
                return "6817";
        return "";
}

static void sacctmgr_row(Text *out, const char *format, const char *item, bool parsable) {
        for (const char *p = format; *p; p += strcspn(p, ","), p += *p == ',') {
                size_t n = strcspn(p, ",%");
                char heading[64];

                snprintf(heading, sizeof(heading), "%.*s", (int)n, p);
                if (parsable)
                        text_addf(out, "%s%s", p == format ? "" : "|",
                                item ? sacctmgr_value(p, n, item) : heading);
                else {
                        text_add_padded(out, item ? sacctmgr_value(p, n, item) : heading, 10, true);
                        text_add(out, " ");
                }
        }
        text_add(out, "\n");
}

static bool condition_holds(const char *word, const char *item) {
        const char *eq = strchr(word, '=');
        size_t n = strlen(item);

        if (!eq)
                return !strcasecmp(word, "where") || list_has(word, item, n);
        if (begins(word, (size_t)(eq - word), "user"))
                return !strcmp(eq + 1, user_name(getuid()));
        if (begins(word, (size_t)(eq - word), "account") ||
                begins(word, (size_t)(eq - word), "name"))
                return list_has(eq + 1, item, n);
        return true;
}

static void sacctmgr_show(
        Text *out, const Listing *l, int argc, char **argv, bool header, bool parsable) {
        const char *format = l->default_format, *items = knob(l->items, l->items_default);

        for (int i = 0; i < argc; i++)
                if (!strncasecmp(argv[i], "format=", 7))
                        format = argv[i] + 7;
        if (header)
                sacctmgr_row(out, format, NULL, parsable);
        for (const char *p = items; *p; p += strcspn(p, ","), p += *p == ',') {
                bool wanted = true;
                char item[256];

                snprintf(item, sizeof(item), "%.*s", (int)strcspn(p, ","), p);
                for (int i = 0; i < argc && wanted; i++)
                        wanted = !strncasecmp(argv[i], "format=", 7) ||
                                condition_holds(argv[i], item);
                if (wanted)
                        sacctmgr_row(out, format, item, parsable);
        }
}

int main_sacctmgr(int argc, char **argv) {
        bool header = true, parsable = false;
        Text out = {};
        int c;

        while ((c = getopt(argc, argv, "inPpQsrvV-:")) != -1) {
                if (c == 'V' || (c == '-' && !strcmp(optarg, "version"))) {
                        puts(SLURM_VERSION_TEXT);
                        return 0;
                }
                header &= !(c == 'n' || (c == '-' && !strcmp(optarg, "noheader")));
                parsable |= c == 'P' || c == 'p' || (c == '-' && !strncmp(optarg, "parsable", 8));
        }
        if (!knob_int("accounting", 1))
                die(1,
                        "You are not running a supported accounting_storage plugin\n"
                        "Only 'accounting_storage/slurmdbd' is supported.");
        faults_before("sacctmgr");
        if (argc - optind < 2 || (strcmp(argv[optind], "show") && strcmp(argv[optind], "list")))
                die(1, "No valid list was given");
        for (size_t i = 0; i < sizeof(listings) / sizeof(*listings); i++)
                if (begins(argv[optind + 1], strlen(argv[optind + 1]), listings[i].entity)) {
                        sacctmgr_show(&out, &listings[i], argc - optind - 2, argv + optind + 2,
                                header, parsable);
                        answer("sacctmgr", &out, 0);
                }
        die(1, "Invalid option: %s", argv[optind + 1]);
}
