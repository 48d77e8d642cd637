/* SPDX-License-Identifier: MIT */
/* The scenarios of TLS, and what their program makes for them before the first fault. */
#ifndef TESTS_SWEEPS_SSL_H
#define TESTS_SWEEPS_SSL_H

#include <asyncio/ssl.h>

#include "sweep.h"

extern asyncio_ssl_context_t *sweep_server_ssl, *sweep_client_ssl; /* of connections */
extern struct ssl_ctx_st *sweep_ctx;                               /* one of OpenSSL's own */
extern char *sweep_cert_path, *sweep_key_path, *sweep_crl_path;    /* files in PEM */

extern const scenario_t sweep_ssl_contexts, sweep_tls, sweep_start_tls;

#endif
