/* SPDX-License-Identifier: MIT */
/* The network's part of the extension: its types, its methods of the loop, its state. */
#include "python/loop.h"

int asyncio__py_add_network(PyObject *module, asyncio__py_state_t *state)
{
    (void)module;
    (void)state;
    return 0;
}

int asyncio__py_visit_network(asyncio__py_state_t *state, visitproc visit, void *arg)
{
    (void)state;
    (void)visit;
    (void)arg;
    return 0;
}

void asyncio__py_clear_network(asyncio__py_state_t *state)
{
    (void)state;
}

PyMethodDef asyncio__py_network_methods[] = {
    {0},
};
