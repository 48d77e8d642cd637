/* SPDX-License-Identifier: MIT */
/*
 * Signals inside the library: what the loop does about them, and dispositions for other layers.
 */
#ifndef ASYNCIO__LOOP_SIGNAL_H
#define ASYNCIO__LOOP_SIGNAL_H

#include <asyncio/signal.h>
#include <stdbool.h>

/* Ends the watches of a loop that closes, after its inbox has. */
void asyncio__signals_close(asyncio_loop_t *loop);

/* In a forked child: the dispositions are the program's own again. */
void asyncio__signals_forget(void);

/* Takes a signal that has its default disposition: false if it has another, or cannot be taken. */
bool asyncio__signal_take(int signo, void (*handler)(int signo));

/* Gives it back to the default, if the handler is still in force, or is what a loop that watches
 * the signal will bring back. */
void asyncio__signal_give_back(int signo, void (*handler)(int signo));

/* Any context, signal handlers: sets the default disposition. */
void asyncio__signal_default(int signo);

#endif
