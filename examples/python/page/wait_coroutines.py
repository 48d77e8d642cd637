# SPDX-License-Identifier: MIT
"""Five coroutines wait at the same time: the whole takes one second, not five."""
import asyncio
import time


async def hello(number):
    print(f'{time.time():f} - hello {number}')
    await asyncio.sleep(1)
    print(f'{time.time():f} - goodbye {number}')


loop = asyncio.new_event_loop()
# asyncio.wait() took the coroutines themselves until Python 3.10.
tasks = [loop.create_task(hello(i)) for i in range(5)]
loop.run_until_complete(asyncio.wait(tasks))
loop.close()
