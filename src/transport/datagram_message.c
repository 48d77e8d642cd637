/* SPDX-License-Identifier: MIT */
/* Control messages of datagrams; see datagram_message.h. */
#include "transport/datagram_message.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static void parse_ipv4(const struct cmsghdr *control, asyncio__datagram_received_t *ret_datagram)
{
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(control), sizeof(info));
    struct sockaddr_in *local = (void *)&ret_datagram->local;
    /* For a multicast datagram that is the interface's own address, which can be sent from. */
    *local = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = info.ipi_spec_dst};
    ret_datagram->local_size = sizeof(*local);
    ret_datagram->interface = (unsigned)info.ipi_ifindex;
}

static void parse_ipv6(const struct cmsghdr *control, asyncio__datagram_received_t *ret_datagram)
{
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(control), sizeof(info));
    struct sockaddr_in6 *local = (void *)&ret_datagram->local;
    *local = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = info.ipi6_addr};
    if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
        local->sin6_scope_id = info.ipi6_ifindex;
    ret_datagram->local_size = sizeof(*local);
    ret_datagram->interface = info.ipi6_ifindex;
}

static bool is_of(const struct cmsghdr *control, int level, int type, size_t size)
{
    return control->cmsg_level == level && control->cmsg_type == type &&
           control->cmsg_len >= CMSG_LEN(size);
}

size_t asyncio__datagram_parse(struct msghdr *message, asyncio__datagram_received_t *ret_datagram)
{
    int segment_bytes = 0;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
        if (is_of(at, IPPROTO_IP, IP_PKTINFO, sizeof(struct in_pktinfo)))
            parse_ipv4(at, ret_datagram);
        else if (is_of(at, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo)))
            parse_ipv6(at, ret_datagram);
        else if (is_of(at, IPPROTO_UDP, UDP_GRO, sizeof(segment_bytes)))
            memcpy(&segment_bytes, CMSG_DATA(at), sizeof(segment_bytes));
    }
    return segment_bytes > 0 ? (size_t)segment_bytes : 0;
}

/* Appends a control message to those in room. */
static void append(struct msghdr *message, char *room, int level, int type, const void *data,
                   size_t size)
{
    struct cmsghdr *control = (void *)(room + message->msg_controllen);
    memset(control, 0, CMSG_SPACE(size));
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(control), data, size);
    message->msg_control = room;
    message->msg_controllen += CMSG_SPACE(size);
}

void asyncio__datagram_compose(struct msghdr *message, const asyncio__datagram_packet_t *packet,
                               char *room)
{
    message->msg_control = NULL;
    message->msg_controllen = 0;
    if (packet->segment_bytes)
        append(message, room, IPPROTO_UDP, UDP_SEGMENT, &packet->segment_bytes,
               sizeof(packet->segment_bytes));
    if (packet->local && packet->local->sa_family == AF_INET) {
        struct in_pktinfo info = {
            .ipi_spec_dst = ((const struct sockaddr_in *)(const void *)packet->local)->sin_addr};
        append(message, room, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    } else if (packet->local && packet->local->sa_family == AF_INET6) {
        const struct sockaddr_in6 *local = (const void *)packet->local;
        struct in6_pktinfo info = {.ipi6_ifindex = local->sin6_scope_id};
        if (!IN6_IS_ADDR_MULTICAST(&local->sin6_addr)) /* nothing is sent from such a one */
            info.ipi6_addr = local->sin6_addr;
        append(message, room, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    }
}

int asyncio__datagram_error_of(struct msghdr *message)
{
    struct sock_extended_err error;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
        if (is_of(at, IPPROTO_IP, IP_RECVERR, sizeof(error)) ||
            is_of(at, IPPROTO_IPV6, IPV6_RECVERR, sizeof(error))) {
            memcpy(&error, CMSG_DATA(at), sizeof(error));
            return -(int)error.ee_errno;
        }
    }
    return 0;
}
