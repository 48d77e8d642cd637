/* SPDX-License-Identifier: MIT */
/*
 * The command line: names, defaults and limits of the settings.
 */
#include "options.h"

#include "files.h"

#include <getopt.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: http_server [OPTION]...\n"
    "Serves a folder, or generated pages, over HTTP/1.1.\n"
    "\n"
    "  --host ADDRESS        listen there (default 127.0.0.1; \"\" is every interface)\n"
    "  --port P              and there (default 8080; 0 is any free port)\n"
    "  --root DIR            serve the files of DIR (default: generated pages)\n"
    "  --workers N           use N threads (default 1; 0 is one for each CPU)\n"
    "  --tls-cert FILE       speak https with this certificate\n"
    "  --tls-key FILE        whose key is in FILE (default: in the file of the certificate)\n"
    "  --access-log FILE     log each request (- for standard output)\n"
    "  --max-connections N   open at once; more wait (default 10000)\n"
    "  --max-body N          accept bodies of N bytes (default 1048576)\n"
    "  --idle-timeout S      seconds until a request begins (default 60)\n"
    "  --request-timeout S   seconds for the head of a request (default 10)\n"
    "  --body-timeout S      seconds for the body of a request (default 30)\n"
    "  --send-timeout S      seconds for a client to take 256 KiB (default 60)\n"
    "  --grace S             seconds for connections to end after SIGTERM (default 10)\n"
    "  --delay S             wait before each response, to test clients\n"
    "  --help                print this\n";

static const struct option names[] = {
    {"host", required_argument, NULL, 'h'},
    {"port", required_argument, NULL, 'p'},
    {"root", required_argument, NULL, 'r'},
    {"workers", required_argument, NULL, 'w'},
    {"tls-cert", required_argument, NULL, 'c'},
    {"tls-key", required_argument, NULL, 'k'},
    {"access-log", required_argument, NULL, 'l'},
    {"max-connections", required_argument, NULL, 'm'},
    {"max-body", required_argument, NULL, 'M'},
    {"idle-timeout", required_argument, NULL, 'i'},
    {"request-timeout", required_argument, NULL, 't'},
    {"body-timeout", required_argument, NULL, 'b'},
    {"send-timeout", required_argument, NULL, 's'},
    {"grace", required_argument, NULL, 'g'},
    {"delay", required_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'H'},
    {NULL, 0, NULL, 0},
};

/* The options that take a number. */
static const struct {
    int letter;
    const char *name;
    double low, high;
    bool is_whole;
} numbers[] = {
    {'p', "--port", 0, 65535, true},
    {'w', "--workers", 0, 1024, true},
    {'m', "--max-connections", 1, 10000000, true},
    {'M', "--max-body", 0, 1 << 30, true},
    {'i', "--idle-timeout", 0.001, 86400, false},
    {'t', "--request-timeout", 0.001, 86400, false},
    {'b', "--body-timeout", 0.001, 86400, false},
    {'s', "--send-timeout", 0.001, 86400, false},
    {'g', "--grace", 0.001, 86400, false},
    {'d', "--delay", 0, 3600, false},
};

/* Reads the number of an option, if it takes one; prints what is wrong with it. */
static bool read_number(int letter, const char *text, double *ret_number)
{
    *ret_number = 0.0;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (numbers[i].letter != letter)
            continue;
        char *end;
        double number = strtod(text, &end);
        *ret_number = number;
        if (end != text && *end == '\0' && number >= numbers[i].low &&
            number <= numbers[i].high && (!numbers[i].is_whole || number == floor(number)))
            return true;
        fprintf(stderr, "http_server: %s takes a %s from %.12g to %.12g, not \"%s\"\n",
                numbers[i].name, numbers[i].is_whole ? "whole number" : "number",
                numbers[i].low, numbers[i].high, text);
        return false;
    }
    return true;
}

static int count_cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : CPU_COUNT(&set);
}

/* Opens what an option names. */
static bool take_descriptor(const char *name, const char *path, int fd, int *ret_fd)
{
    *ret_fd = fd;
    if (fd < 0)
        fprintf(stderr, "http_server: cannot open the %s %s: %s\n", name, path, strerror(-fd));
    return fd >= 0;
}

static bool take_option(int letter, const char *text, settings_t *settings)
{
    double number;
    if (!read_number(letter, text, &number))
        return false;
    switch (letter) {
    case 'h':
        settings->host = text;
        return true;
    case 'p':
        settings->port = (uint16_t)number;
        return true;
    case 'w':
        settings->workers = number > 0 ? (int)number : count_cpus();
        return true;
    case 'c':
        settings->cert = text;
        return true;
    case 'k':
        settings->key = text;
        return true;
    case 'm':
        settings->connections_max = (size_t)number;
        return true;
    case 'M':
        settings->body_max = (size_t)number;
        return true;
    case 'i':
        settings->idle_timeout = number;
        return true;
    case 't':
        settings->head_timeout = number;
        return true;
    case 'b':
        settings->body_timeout = number;
        return true;
    case 's':
        settings->send_timeout = number;
        return true;
    case 'g':
        settings->grace = number;
        return true;
    case 'd':
        settings->delay = number;
        return true;
    case 'r':
        return take_descriptor("folder", text, files_open_root(text), &settings->root);
    case 'l':
        return take_descriptor("access log", text, log_open(text), &settings->access_log);
    default:
        fprintf(stderr, "http_server: --help says how it is used\n");
        return false;
    }
}

int options_read(int argc, char **argv, settings_t *ret_settings)
{
    settings_t settings = {
        .host = "127.0.0.1", .port = 8080, .workers = 1, .connections_max = 10000, .root = -1,
        .grace = 10.0, .access_log = -1, .idle_timeout = 60.0, .head_timeout = 10.0,
        .body_timeout = 30.0, .send_timeout = 60.0, .body_max = 1 << 20,
    };
    int letter;
    while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (letter == 'H') {
            fputs(help, stdout);
            return 1;
        }
        if (!take_option(letter, optarg, &settings))
            return 3;
    }
    if (optind < argc) {
        fprintf(stderr, "http_server: \"%s\" is no option\n", argv[optind]);
        return 3;
    }
    *ret_settings = settings;
    return 0;
}
