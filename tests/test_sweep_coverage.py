# SPDX-License-Identifier: MIT
"""Each public function is called by a scenario of tests/sweeps, or stands here with
the reason why not.

    test_sweep_coverage.py ROOT

A name on the list that is called after all, or does not exist, is a mistake too."""
import pathlib
import re
import sys

LEFT_OUT = {
    'asyncio_version': 'returns a constant',
    'asyncio_set_allocator': 'puts the allocator that fails in place, once, before all',
    'asyncio_loop_default_exception_handler': 'prints; takes nothing that could fail',
}
# What takes a server: swept over by ASYNCIO_TEST_SWEEP in test_stream, not yet by a scenario.
LEFT_OUT |= dict.fromkeys(['asyncio_open_connection_coroutine', 'asyncio_open_unix_connection',
                           'asyncio_open_unix_connection_coroutine'], 'connects to a server')
HEADERS_LEFT_OUT = {'server.h'}
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*', re.S)


def declared(header):
    """The names that a program writes: of a function with a place, its macro."""
    text = COMMENT.sub(' ', header.read_text())
    macros = set(re.findall(r'^#define (asyncio_\w+)\(', text, re.M))
    for declaration in re.findall(r'^ASYNCIO_API\b(.*?);', text, re.M | re.S):
        name = re.search(r'\b(asyncio_\w+)\)?\(', declaration).group(1)
        plain = name[:-len('_at')] if name.endswith('_at') else name
        yield plain if plain in macros else name


def problems(root):
    called = set()
    for source in sorted((root / 'tests/sweeps').glob('*.c')):
        called |= set(re.findall(r'\b(asyncio_\w+)\(', COMMENT.sub(' ', source.read_text())))
    names = set()
    for header in sorted((root / 'include/asyncio').glob('*.h')):
        if header.name not in HEADERS_LEFT_OUT:
            names |= set(declared(header))
    if len(names) < 200:
        yield f'only {len(names)} public functions were found'
    for name in sorted(names - called - set(LEFT_OUT)):
        yield f'{name}() is called by no scenario of tests/sweeps'
    for name in sorted(set(LEFT_OUT) & called):
        yield f'{name}() is called by a scenario, and stands among those left out'
    for name in sorted(set(LEFT_OUT) - names):
        yield f'{name}() stands among those left out, and is no public function'


def main():
    found = list(problems(pathlib.Path(sys.argv[1])))
    for problem in found:
        print(problem)
    return bool(found)


if __name__ == '__main__':
    sys.exit(main())
