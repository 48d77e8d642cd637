# SPDX-License-Identifier: MIT
"""While the coroutine sleeps, the task runs: its line is printed first, and that of the awaited
coroutine a second later.
"""
import asyncio
import time


async def p(word):
    print(f'{time.time():f} - {word}')


async def main():
    coro = p('await')
    task2 = asyncio.create_task(p('create_task'))
    await asyncio.sleep(1)
    await coro
    await task2


asyncio.run(main())
