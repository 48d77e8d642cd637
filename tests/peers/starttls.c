/* SPDX-License-Identifier: MIT */
/*
 * Our side of protocols that begin in plain and continue with TLS; test_tls_peers.py starts both
 * sides.
 *
 *     starttls smtp|imap CERT KEY        a server; prints "ready PORT", then the mails it is given
 *     starttls postgres HOST PORT CA USER     a client; prints what the server says of its TLS
 */
#include <asyncio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- servers by lines ---------------------------------------------------------------------- */

/* What a server says to a command, in plain and by TLS; NULL: that it is refused now. */
typedef struct command {
    const char *name, *plain, *secret;
    bool starts_tls, reads_mail, ends;
} command_t;

typedef struct dialect {
    const char *greeting, *refusal;
    bool has_tags; /* each command begins with a tag, which the last line of its reply repeats */
    const command_t *commands;
} dialect_t;

static const command_t smtp_commands[] = {
    {.name = "EHLO", .plain = "250-localhost\r\n250 STARTTLS\r\n", .secret = "250 localhost\r\n"},
    {.name = "STARTTLS", .plain = "220 go ahead\r\n", .starts_tls = true},
    {.name = "MAIL", .secret = "250 from\r\n"},
    {.name = "RCPT", .secret = "250 to\r\n"},
    {.name = "DATA", .secret = "354 send it\r\n", .reads_mail = true},
    {.name = "QUIT", .plain = "221 bye\r\n", .secret = "221 bye\r\n", .ends = true},
    {.name = NULL},
};

static const command_t imap_commands[] = {
    {.name = "CAPABILITY", .plain = "* CAPABILITY IMAP4rev1 STARTTLS\r\n",
     .secret = "* CAPABILITY IMAP4rev1\r\n"},
    {.name = "STARTTLS", .plain = "", .starts_tls = true},
    {.name = "LOGIN", .secret = ""},
    {.name = "LIST", .secret = "* LIST () \"/\" INBOX\r\n"},
    {.name = "LOGOUT", .plain = "* BYE\r\n", .secret = "* BYE\r\n", .ends = true},
    {.name = NULL},
};

static const dialect_t smtp = {.greeting = "220 localhost ESMTP\r\n",
                               .refusal = "530 Must issue a STARTTLS command first\r\n",
                               .commands = smtp_commands};
static const dialect_t imap = {.greeting = "* OK localhost\r\n", .refusal = " BAD\r\n",
                               .has_tags = true, .commands = imap_commands};

typedef struct service {
    const dialect_t *dialect;
    asyncio_ssl_context_t *ssl;
} service_t;

static int say(asyncio_stream_writer_t *writer, const char *text)
{
    return asyncio_stream_writer_write(writer, text, strlen(text));
}

/* Prints the lines of a mail, until the one that is a point. */
static int read_mail(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer)
{
    const char *line;
    ssize_t size;
    while ((size = asyncio_stream_reader_readline(reader, &line)) > 0) {
        if (size == 3 && memcmp(line, ".\r\n", 3) == 0)
            return say(writer, "250 taken\r\n");
        printf("%.*s", (int)size, line);
        fflush(stdout);
    }
    return (int)size;
}

/* Replies to one line: 1, 0 after the last command, or a code. */
static int reply(const service_t *service, asyncio_stream_reader_t *reader,
                 asyncio_stream_writer_t *writer, const char *line)
{
    const dialect_t *dialect = service->dialect;
    bool is_secret = asyncio_stream_writer_get_ssl_object(writer) != NULL;
    size_t tag = dialect->has_tags ? strcspn(line, " ") : 0;
    const char *name = line + tag + (line[tag] == ' ');
    const command_t *command = dialect->commands;
    char last[128];
    while (command->name && strncasecmp(name, command->name, strlen(command->name)) != 0)
        command++;
    const char *text = !command->name ? NULL : is_secret ? command->secret : command->plain;
    if (dialect->has_tags)
        snprintf(last, sizeof(last), "%.*s%s", (int)tag, line, text ? " OK\r\n" : dialect->refusal);
    else
        snprintf(last, sizeof(last), "%s", text ? "" : dialect->refusal);
    int rc = say(writer, text ? text : "");
    if (rc == 0)
        rc = say(writer, last);
    if (rc == 0 && text && command->starts_tls)
        rc = asyncio_stream_writer_start_tls(writer, service->ssl, NULL);
    if (rc == 0 && text && command->reads_mail)
        rc = read_mail(reader, writer);
    if (rc == 0)
        rc = asyncio_stream_writer_drain(writer);
    return rc < 0 ? rc : !(text && command->ends);
}

static int serve_client(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer, void *arg)
{
    const service_t *service = arg;
    const char *line;
    ssize_t size = 0;
    int rc = say(writer, service->dialect->greeting);
    while (rc >= 0 && (size = asyncio_stream_reader_readline(reader, &line)) > 0) {
        char *copy = strndup(line, (size_t)size); /* line is the reader's until the next call */
        rc = copy ? reply(service, reader, writer, copy) : -ENOMEM;
        free(copy);
        if (rc == 0)
            return 0;
    }
    if (rc < 0 || size < 0)
        fprintf(stderr, "%s\n", asyncio_error_name(rc < 0 ? rc : (int)size));
    return rc < 0 ? rc : (int)size;
}

static int serve_by(const dialect_t *dialect, char **argv)
{
    service_t service = {.dialect = dialect,
                         .ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_CLIENT_AUTH)};
    asyncio_server_t *server;
    int rc = asyncio_ssl_context_load_cert_chain(service.ssl, argv[0], argv[1], NULL, NULL);
    if (rc == 0)
        rc = asyncio_start_server("127.0.0.1", 0, serve_client, &service, NULL, &server);
    if (rc == 0) {
        printf("ready %d\n", asyncio_server_port(server, 0));
        fflush(stdout);
        rc = asyncio_server_serve_forever(server);
        asyncio_server_unref(server);
    }
    asyncio_ssl_context_unref(service.ssl);
    return rc;
}

/* --- PostgreSQL ---------------------------------------------------------------------------- */

static void put_number(unsigned char *at, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(number >> (24 - 8 * i));
}

/* A message: its type, unless that is 0, its size, and its text with zeros between the parts. */
static int send_message(asyncio_stream_writer_t *writer, char type, const void *text, size_t size)
{
    unsigned char head[5] = {(unsigned char)type};
    put_number(head + 1, (uint32_t)size + 4);
    int rc = asyncio_stream_writer_write(writer, head + (type == 0), type ? 5 : 4);
    return rc < 0 ? rc : asyncio_stream_writer_write(writer, text, size);
}

/* Reads messages until the server is ready for a query, and prints those with text to read. */
static int read_until_ready(asyncio_stream_reader_t *reader)
{
    unsigned char head[5], body[4096];
    for (;;) {
        ssize_t size = asyncio_stream_reader_readexactly(reader, head, sizeof(head), NULL);
        if (size < 0)
            return (int)size;
        size_t length = ((size_t)head[3] << 8 | head[4]) - 4;
        if (length > sizeof(body))
            return -EMSGSIZE;
        size = length ? asyncio_stream_reader_readexactly(reader, body, length, NULL) : 0;
        if (size < 0)
            return (int)size;
        if (head[0] == 'Z')
            return 0;
        if (head[0] == 'E')
            return asyncio_raise(-EPROTO, "%.*s", (int)length, (const char *)body);
        if (head[0] == 'D') /* a row of one text: count of columns, size, text */
            printf("%.*s\n", (int)length - 6, (const char *)body + 6);
    }
}

static int talk_to_postgres(asyncio_stream_reader_t *reader, asyncio_stream_writer_t *writer,
                            char **argv, asyncio_ssl_context_t *ssl)
{
    static const char query[] = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    unsigned char request[4], yes = 0;
    put_number(request, 80877103); /* the SSLRequest */
    int rc = send_message(writer, 0, request, sizeof(request));
    ssize_t size = rc < 0 ? rc : asyncio_stream_reader_readexactly(reader, &yes, 1, NULL);
    if (size < 0 || yes != 'S')
        return size < 0 ? (int)size : -EPROTO;
    asyncio_start_tls_options_t options = {.size = sizeof(options), .server_hostname = argv[0]};
    rc = asyncio_stream_writer_start_tls(writer, ssl, &options);
    if (rc < 0)
        return rc;
    unsigned char startup[256] = {0, 3, 0, 0}; /* the version of the protocol */
    int count = snprintf((char *)startup + 4, sizeof(startup) - 4, "user%c%s%cdatabase%cpostgres%c",
                         0, argv[3], 0, 0, 0);
    rc = send_message(writer, 0, startup, (size_t)count + 5);
    if (rc == 0)
        rc = read_until_ready(reader);
    if (rc == 0)
        rc = send_message(writer, 'Q', query, sizeof(query));
    if (rc == 0)
        rc = read_until_ready(reader);
    return rc < 0 ? rc : send_message(writer, 'X', "", 0);
}

static int ask_postgres(char **argv)
{
    asyncio_ssl_context_t *ssl = asyncio_ssl_create_default_context(ASYNCIO_SSL_SERVER_AUTH);
    asyncio_stream_reader_t *reader;
    asyncio_stream_writer_t *writer;
    int rc = asyncio_ssl_context_load_verify_locations(ssl, argv[2], NULL);
    if (rc == 0)
        rc = asyncio_open_connection("127.0.0.1", (uint16_t)atoi(argv[1]), NULL, &reader, &writer);
    if (rc == 0) {
        rc = talk_to_postgres(reader, writer, argv, ssl);
        asyncio_stream_writer_close(writer);
        int closed = asyncio_stream_writer_wait_closed(writer);
        rc = rc < 0 ? rc : closed;
        asyncio_stream_reader_unref(reader);
        asyncio_stream_writer_unref(writer);
    }
    asyncio_ssl_context_unref(ssl);
    return rc;
}

/* --- the program --------------------------------------------------------------------------- */

static int run(int argc, char **argv, void **ret_result)
{
    (void)ret_result;
    int rc = -EINVAL;
    if (argc == 4 && strcmp(argv[1], "smtp") == 0)
        rc = serve_by(&smtp, argv + 2);
    else if (argc == 4 && strcmp(argv[1], "imap") == 0)
        rc = serve_by(&imap, argv + 2);
    else if (argc == 6 && strcmp(argv[1], "postgres") == 0)
        rc = ask_postgres(argv + 2);
    if (rc < 0) {
        asyncio_error_t *error = asyncio_error_of(rc);
        asyncio_error_print(error, stderr);
        asyncio_error_unref(error);
    }
    return rc;
}
ASYNCIO_COROUTINE(run, (int, argc), (char **, argv));

int main(int argc, char **argv)
{
    return asyncio_run(run_coroutine(argc, argv), NULL) < 0;
}
