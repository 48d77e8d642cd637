/* SPDX-License-Identifier: MIT */
/* Prints inputs of fuzz_scenario as the scenarios that they are. */
#include "decode.h"
#include "fuzz.h"

static json_t *scenarios;

static void add(const char *name, const uint8_t *data, size_t size)
{
    json_t *scenario = decode(data, size);
    json_object_set_new(scenario, "name", json_string(name));
    json_array_append_new(scenarios, scenario);
}

void print_json(const char *folder)
{
    scenarios = json_array();
    for_each_file(folder, add);
    json_dumpf(scenarios, stdout, 0);
    json_decref(scenarios);
}
