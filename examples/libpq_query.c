/* SPDX-License-Identifier: MIT */
/*
 * A query by libpq in a task: wherever libpq would block, the task waits for libpq's socket.
 *
 * Usage: libpq_query [CONNINFO [QUERY]]; the default names no server, so that connecting fails.
 */
#include <asyncio.h>
#include <libpq-fe.h>
#include <stdio.h>

static const char *arguments[] = {"host=127.0.0.1 port=1", "SELECT 1"};

/* Connects; libpq says after each step whether to wait for reading or for writing. */
static int connect_to(PGconn *connection)
{
    for (;;) {
        PostgresPollingStatusType status = PQconnectPoll(connection);
        if (status == PGRES_POLLING_OK)
            return 0;
        if (status == PGRES_POLLING_FAILED)
            return -ECONNREFUSED;
        int rc = asyncio_loop_wait_fd(PQsocket(connection), status == PGRES_POLLING_READING
                                                                ? ASYNCIO_FD_READ
                                                                : ASYNCIO_FD_WRITE);
        if (rc < 0)
            return rc;
    }
}

/* Sends the output that libpq has queued, then waits until it has received a whole result. */
static int wait_for_result(PGconn *connection)
{
    for (int left = 1; left || PQisBusy(connection);) {
        left = PQflush(connection);
        int rc = left || PQisBusy(connection)
                     ? asyncio_loop_wait_fd(PQsocket(connection),
                                            ASYNCIO_FD_READ | (left ? ASYNCIO_FD_WRITE : 0u))
                     : 0;
        if (rc < 0)
            return rc;
        if ((rc & ASYNCIO_FD_READ) && !PQconsumeInput(connection))
            return -EIO;
    }
    return 0;
}

static int query(void *arg, void **ret_result)
{
    (void)arg, (void)ret_result;
    PGconn *connection = PQconnectStart(arguments[0]);
    int rc = PQstatus(connection) == CONNECTION_BAD ? -EINVAL : connect_to(connection);
    puts(rc < 0 ? "not connected" : "connected");
    if (rc == 0)
        rc = PQsetnonblocking(connection, 1) == 0 && PQsendQuery(connection, arguments[1])
                 ? wait_for_result(connection)
                 : -EIO;
    for (PGresult *result; rc == 0 && (result = PQgetResult(connection)); PQclear(result)) {
        for (int row = 0; row < PQntuples(result); row++)
            puts(PQgetvalue(result, row, 0));
        rc = wait_for_result(connection);
    }
    PQfinish(connection);
    return rc == -ECONNREFUSED ? 0 : rc;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc && i <= 2; i++)
        arguments[i - 1] = argv[i];
    return asyncio_run(asyncio_coroutine(query, NULL), NULL) < 0;
}
