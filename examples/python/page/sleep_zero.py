# SPDX-License-Identifier: MIT
"""A sleep of zero seconds still lets every other task run once: the line of the task is printed
first, and that of the awaited coroutine right after it.
"""
import asyncio
import time


async def p(word):
    print(f'{time.time():f} - {word}')


async def main():
    coro = p('await')
    task2 = asyncio.create_task(p('create_task'))
    await asyncio.sleep(0)
    await coro
    await task2


asyncio.run(main())
