/* SPDX-License-Identifier: MIT */
/* Prints what execve(2) was called with: the file, the arguments and the environment. Each is
 * followed by a NUL, and each list by a byte 1. */
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

int main(int argc, char **argv, char **environment)
{
    const char *file = (const char *)getauxval(AT_EXECFN);
    (void)argc;
    fwrite(file, 1, strlen(file) + 1, stdout);
    for (; *argv; argv++)
        fwrite(*argv, 1, strlen(*argv) + 1, stdout);
    putchar(1);
    for (; *environment; environment++)
        fwrite(*environment, 1, strlen(*environment) + 1, stdout);
    putchar(1);
    return 0;
}
