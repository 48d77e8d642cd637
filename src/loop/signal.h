/* SPDX-License-Identifier: MIT */
/* Dispositions of signals for other layers. */
#ifndef ASYNCIO__LOOP_SIGNAL_H
#define ASYNCIO__LOOP_SIGNAL_H

#include <asyncio/signal.h>
#include <stdbool.h>

/* Installs a handler for a signal that has its default disposition. Returns false if the signal has
 * another one or cannot be caught. */
bool asyncio__signal_take(int signo, void (*handler)(int signo));

/* Restores the default disposition if the handler is still installed, or would be restored by a
 * loop that handles the signal. */
void asyncio__signal_give_back(int signo, void (*handler)(int signo));

/* Sets the default disposition. Any context, signal handlers. */
void asyncio__signal_default(int signo);

#endif
