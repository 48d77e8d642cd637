# SPDX-License-Identifier: MIT
"""Awaiting a coroutine runs it at once; the task that was created before it runs only when the
running coroutine suspends.
"""
import asyncio
import time


async def p(word):
    print(f'{time.time():f} - {word}')


async def main():
    coro = p('await')
    task2 = asyncio.create_task(p('create_task'))
    await coro
    await task2


asyncio.run(main())
