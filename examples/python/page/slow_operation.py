# SPDX-License-Identifier: MIT
"""A task, a callback for when it is done, and a loop that runs until the callback stops it."""
import asyncio


async def slow_operation():
    await asyncio.sleep(1)
    return 'Future is done!'


def got_result(future):
    print(future.result())
    loop.stop()


loop = asyncio.new_event_loop()  # asyncio.get_event_loop() made one until Python 3.13
task = loop.create_task(slow_operation())
task.add_done_callback(got_result)
loop.run_forever()
loop.close()
