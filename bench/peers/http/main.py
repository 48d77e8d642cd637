# SPDX-License-Identifier: MIT
"""The HTTP server of the benchmark on uvicorn and uvloop: `main.py PORT FOLDER`."""

import os
import sys

import uvicorn

FOLDER = sys.argv[2] if len(sys.argv) > 2 else "."


async def app(scope, _receive, send):
    """/plaintext is 13 bytes, every other path a file of the folder."""
    if scope["type"] != "http":
        return
    body = b"Hello, World!"
    if scope["path"] != "/plaintext":
        with open(os.path.join(FOLDER, os.path.basename(scope["path"])), "rb") as file:
            body = file.read()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/plain"),
                            (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools",
                log_level="warning", access_log=False, lifespan="off")
