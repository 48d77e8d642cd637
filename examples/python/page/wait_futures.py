# SPDX-License-Identifier: MIT
"""Waits for five futures together, and reads their results afterwards."""
import asyncio


async def square(number):
    await asyncio.sleep(1)
    return number * number


async def main():
    futures = [asyncio.ensure_future(square(i)) for i in range(5)]
    await asyncio.wait(futures)
    for future in futures:
        print('result:', future.result())


asyncio.run(main())
