/* SPDX-License-Identifier: MIT */
/* The addresses of "localhost"; see localhost.h. */
#include "transport/localhost.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/syscalls.h"

#define HOSTS_PATH   "/etc/hosts"
#define HOSTS_BYTES  8192 /* only the beginning of the file is read: long ones list other hosts */
#define LITERALS_MOST 8   /* addresses of localhost */

/* What the file says. */
typedef struct hosts {
    char text[HOSTS_BYTES];              /* its beginning; cut into words by NUL bytes */
    const char *literals[LITERALS_MOST]; /* the addresses of localhost, in order; in text */
    size_t count;                        /* of literals */
    const char *canonical_name;          /* the first name beside the first of them; in text */
} hosts_t;

bool asyncio__is_localhost(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strcasecmp(host, "localhost.") == 0;
}

static void read_text(char *text, size_t size)
{
    size_t length = 0;
    int fd = asyncio__sys.open(HOSTS_PATH, O_RDONLY | O_CLOEXEC, 0);
    while (fd >= 0 && length < size - 1) {
        ssize_t count = asyncio__sys.read(fd, text + length, size - 1 - length);
        if (count <= 0)
            break;
        length += (size_t)count;
    }
    if (fd >= 0)
        asyncio__sys.close(fd);
    text[length] = '\0';
}

/* Keeps the address of a line that names localhost. */
static void read_line(hosts_t *hosts, char *line)
{
    char *rest, *first_name = NULL, *word;
    line[strcspn(line, "#")] = '\0';
    const char *literal = strtok_r(line, " \t\r", &rest);
    bool is_named = false;
    while (literal && (word = strtok_r(NULL, " \t\r", &rest))) {
        first_name = first_name ? first_name : word;
        is_named = is_named || strcasecmp(word, "localhost") == 0;
    }
    if (!is_named || hosts->count == LITERALS_MOST)
        return;
    for (size_t i = 0; i < hosts->count; i++)
        if (strcmp(hosts->literals[i], literal) == 0)
            return;
    if (hosts->count == 0)
        hosts->canonical_name = first_name;
    hosts->literals[hosts->count++] = literal;
}

static void read_hosts(hosts_t *hosts)
{
    hosts->count = 0;
    read_text(hosts->text, sizeof(hosts->text));
    char *rest, *line = strtok_r(hosts->text, "\n", &rest);
    for (; line; line = strtok_r(NULL, "\n", &rest))
        read_line(hosts, line);
    if (hosts->count > 0)
        return;
    hosts->literals[0] = "::1";
    hosts->literals[1] = "127.0.0.1";
    hosts->count = 2;
    hosts->canonical_name = "localhost";
}

/* Whether the system has IPv6: getaddrinfo() puts addresses that cannot be reached last. */
static bool has_ipv6(void)
{
    const struct sockaddr_in6 loopback = {
        .sin6_family = AF_INET6, .sin6_port = 1, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = asyncio__sys.socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    /* Of a datagram socket this sends nothing. */
    bool is_reachable =
        asyncio__sys.connect(fd, (const struct sockaddr *)&loopback, sizeof(loopback)) == 0;
    asyncio__sys.close(fd);
    return is_reachable;
}

static bool lists_both_families(const hosts_t *hosts)
{
    size_t ipv6_count = 0;
    for (size_t i = 0; i < hosts->count; i++)
        ipv6_count += strchr(hosts->literals[i], ':') != NULL;
    return ipv6_count > 0 && ipv6_count < hosts->count;
}

/* Appends the entries of all literals of one family to the list that ends at *end. Returns the
 * new end, or NULL if *ret_eai is an error. */
static struct addrinfo **append(struct addrinfo **end, const hosts_t *hosts, bool is_ipv6,
                                const char *service, const struct addrinfo *hints, int *ret_eai)
{
    for (size_t i = 0; i < hosts->count; i++) {
        if ((strchr(hosts->literals[i], ':') != NULL) != is_ipv6)
            continue;
        int eai = getaddrinfo(hosts->literals[i], service, hints, end);
        if (eai != 0 && eai != EAI_ADDRFAMILY && eai != EAI_NONAME) {
            *ret_eai = eai;
            return NULL;
        }
        /* freeaddrinfo() frees a list entry by entry, so that lists can be joined. */
        while (eai == 0 && *end)
            end = &(*end)->ai_next;
    }
    return end;
}

int asyncio__localhost_addresses(const char *service, const struct addrinfo *hints,
                                 struct addrinfo **ret_addresses)
{
    hosts_t hosts;
    struct addrinfo numeric = {0}, *first = NULL;
    int eai = 0;
    if (hints)
        numeric = *hints;
    /* The flags that concern the host name are handled here; a literal has no use for the last. */
    bool wants_name = numeric.ai_flags & AI_CANONNAME;
    numeric.ai_flags &= ~(AI_CANONNAME | AI_ADDRCONFIG);
    numeric.ai_flags |= AI_NUMERICHOST;
    read_hosts(&hosts);
    bool is_ipv6_first = numeric.ai_family == AF_INET6 ||
                         (numeric.ai_family == AF_UNSPEC && lists_both_families(&hosts) &&
                          has_ipv6());
    struct addrinfo **end = append(&first, &hosts, is_ipv6_first, service, &numeric, &eai);
    /* A caller that wants IPv6 gets mapped addresses only where there are no others. */
    bool is_enough = numeric.ai_family == AF_INET6 && first && !(numeric.ai_flags & AI_ALL);
    if (end && !is_enough)
        end = append(end, &hosts, !is_ipv6_first, service, &numeric, &eai);
    if (end && !first)
        eai = EAI_NONAME;
    if (eai == 0 && wants_name && !(first->ai_canonname = strdup(hosts.canonical_name)))
        eai = EAI_MEMORY;
    if (eai == 0)
        *ret_addresses = first;
    else if (first)
        freeaddrinfo(first);
    return eai;
}
