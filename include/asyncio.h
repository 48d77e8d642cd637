/* SPDX-License-Identifier: MIT */
/**
 * @file
 * libasyncio: asyncio for C. This header is the table of contents; each concept has its own.
 */
/* Other projects have an asyncio.h too, some with the guard ASYNCIO_H. */
#ifndef LIBASYNCIO_ASYNCIO_H
#define LIBASYNCIO_ASYNCIO_H

/* Errors, memory, the version. */
#include <asyncio/api.h>
#include <asyncio/error.h>
#include <asyncio/error_group.h>
#include <asyncio/memory.h>

/* Runners. */
#include <asyncio/runner.h>
#include <asyncio/serve.h>

/* Coroutines and tasks. */
#include <asyncio/as_completed.h>
#include <asyncio/async_generator.h>
#include <asyncio/call_graph.h>
#include <asyncio/context.h>
#include <asyncio/coroutine.h>
#include <asyncio/gather.h>
#include <asyncio/shield.h>
#include <asyncio/sleep.h>
#include <asyncio/stack_usage.h>
#include <asyncio/task.h>
#include <asyncio/task_group.h>
#include <asyncio/timeout.h>
#include <asyncio/wait.h>

/* Synchronisation and queues. */
#include <asyncio/barrier.h>
#include <asyncio/condition.h>
#include <asyncio/event.h>
#include <asyncio/lock.h>
#include <asyncio/queue.h>
#include <asyncio/semaphore.h>

/* Futures. */
#include <asyncio/future.h>

/* Sockets and datagrams. */
#include <asyncio/datagram.h>
#include <asyncio/resolver.h>
#include <asyncio/socket.h>

/* Streams, and TLS (a library of its own). */
#include <asyncio/server.h>
#include <asyncio/ssl.h>
#include <asyncio/ssl_object.h>
#include <asyncio/stream.h>

/* Transports and protocols. */
#include <asyncio/protocol.h>
#include <asyncio/transport.h>

/* Files. */
#include <asyncio/file.h>
#include <asyncio/path.h>
#include <asyncio/sendfile.h>

/* Processes. */
#include <asyncio/process.h>
#include <asyncio/subprocess.h>

/* Threads. */
#include <asyncio/concurrent_future.h>
#include <asyncio/executor.h>
#include <asyncio/thread_pool.h>

/* The event loop. */
#include <asyncio/embed.h>
#include <asyncio/handle.h>
#include <asyncio/loop.h>
#include <asyncio/remote.h>
#include <asyncio/signal.h>
#include <asyncio/stats.h>

/* Tests of one's own. */
#include <asyncio/testing.h>

#endif
