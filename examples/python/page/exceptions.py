# SPDX-License-Identifier: MIT
"""A task ends with a value, with an error or by a cancel; its future says which."""
import asyncio


async def number():
    return 42


async def bad_luck():
    raise RuntimeError('bad luck')


async def for_ever():
    await asyncio.sleep(3600)


def show(task):
    if task.cancelled():
        print('cancelled')
        return
    error = task.exception()
    if error is not None:
        print(f'{type(error).__name__}: {error}')
    else:
        print('value:', task.result())


async def main():
    tasks = [
        asyncio.create_task(number()),
        asyncio.create_task(bad_luck()),
        asyncio.create_task(for_ever())]
    await asyncio.sleep(0)
    tasks[2].cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        show(task)


asyncio.run(main())
