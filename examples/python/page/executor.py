# SPDX-License-Identifier: MIT
"""Five jobs that block go to a pool of two threads: three rounds of 0.2 s, and the loop is free."""
import asyncio
import time
from concurrent.futures import ThreadPoolExecutor


def blocking(number):
    time.sleep(0.2)
    return number * number


async def main():
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(2)
    begin = loop.time()
    jobs = [loop.run_in_executor(pool, blocking, i) for i in range(5)]
    for i, job in enumerate(jobs):
        result = await job
        print(f'job {i}: {result}')
    tenths = int((loop.time() - begin) * 10)
    print(tenths, 'tenths of a second')
    pool.shutdown()


asyncio.run(main())
