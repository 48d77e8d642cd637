# SPDX-License-Identifier: MIT
"""Callbacks of a future run in the order in which they were added, each once, in the next turn."""
import asyncio


def first(future):
    print('first:', future.result())


def second(future):
    print('second')


def third(future):
    print('third')


def fourth(future):
    print('fourth')


def late(future):
    print('late')


async def main():
    loop = asyncio.get_running_loop()
    f = loop.create_future()
    f.add_done_callback(first)
    f.add_done_callback(second)
    f.add_done_callback(third)
    f.add_done_callback(fourth)
    f.remove_done_callback(third)
    f.set_result('a result')
    print('it has a result, and nobody was called yet')
    await asyncio.sleep(0)
    f.add_done_callback(late)
    await asyncio.sleep(0)


asyncio.run(main())
