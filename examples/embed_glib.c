/* SPDX-License-Identifier: MIT */
/* An asyncio loop inside GLib's main loop: a GSource polls its descriptor and runs its turns. */
#include <asyncio.h>
#include <glib.h>
#include <stdio.h>

typedef struct loop_source {
    GSource source;       /* the part of GLib; must be first */
    asyncio_loop_t *loop; /* the embedded loop */
    gpointer fd_tag;      /* GLib's handle of the polled descriptor */
} loop_source_t;

/* How long GLib may sleep; asked each time before it does. */
static gboolean prepare(GSource *source, gint *timeout_ms)
{
    asyncio_loop_t *loop = ((loop_source_t *)source)->loop;
    double left = asyncio_loop_next_deadline(loop) - asyncio_loop_time(loop);
    *timeout_ms = left > 1e6 ? -1 : left <= 0 ? 0 : (gint)(left * 1000) + 1;
    return left <= 0;
}

static gboolean check(GSource *source)
{
    loop_source_t *self = (loop_source_t *)source;
    return g_source_query_unix_fd(source, self->fd_tag) != 0 ||
           asyncio_loop_next_deadline(self->loop) <= asyncio_loop_time(self->loop);
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    (void)callback, (void)data;
    return asyncio_loop_run_once(((loop_source_t *)source)->loop) == 0;
}

static GSourceFuncs functions = {.prepare = prepare, .check = check, .dispatch = dispatch};

static int count(void *arg, void **ret_result)
{
    (void)ret_result;
    for (int i = 1; i <= 3; i++) {
        int rc = asyncio_sleep(0.01);
        if (rc < 0)
            return rc;
        printf("asyncio: %d\n", i);
    }
    g_main_loop_quit(arg);
    return 0;
}

static gboolean greet(gpointer data)
{
    (void)data;
    puts("GLib: hello");
    return G_SOURCE_REMOVE;
}

int main(void)
{
    asyncio_loop_t *loop = asyncio_new_event_loop();
    if (!loop)
        return 1;
    GMainLoop *main_loop = g_main_loop_new(NULL, FALSE);
    GSource *source = g_source_new(&functions, sizeof(loop_source_t));
    ((loop_source_t *)source)->loop = loop;
    ((loop_source_t *)source)->fd_tag =
        g_source_add_unix_fd(source, asyncio_loop_fileno(loop), G_IO_IN);
    g_source_attach(source, NULL);
    g_idle_add_full(G_PRIORITY_HIGH, greet, NULL, NULL);
    asyncio_task_unref(asyncio_loop_create_task(loop, asyncio_coroutine(count, main_loop)));
    g_main_loop_run(main_loop);
    g_source_destroy(source);
    g_source_unref(source);
    g_main_loop_unref(main_loop);
    asyncio_loop_unref(loop);
    return 0;
}
