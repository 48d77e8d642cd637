# SPDX-License-Identifier: MIT
"""Programs that people run on asyncio, on this loop: servers and clients of other projects.

Runs on one interpreter, in an environment that holds requirements_downstream.txt. Redis and
PostgreSQL are Debian's packages redis-server and postgresql; where one is missing, its test is
skipped.
"""

import asyncio
import glob
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import pytest

from conftest import HERE, SPEC

LIMIT = 60  # seconds that a server may take to start


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for_port(port, process):
    """Waits until something listens on a port."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{process.args[0]} does not listen: status {process.poll()}")


def end(process):
    """Ends a server with SIGTERM; it must end by itself."""
    process.terminate()
    try:
        return process.wait(LIMIT)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_aiohttp_serves_and_fetches(run):
    aiohttp = pytest.importorskip("aiohttp")
    from aiohttp import web

    async def greet(request):
        return web.json_response({"name": request.match_info["name"],
                                  "body": (await request.read()).decode()})

    async def stream(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(50):
            await response.write(b"0123456789" * 1000)
        return response

    async def echo(request):
        socket_of_web = web.WebSocketResponse()
        await socket_of_web.prepare(request)
        async for message in socket_of_web:
            await socket_of_web.send_str(message.data + "!")
        return socket_of_web

    async def main():
        app = web.Application()
        app.router.add_post("/greet/{name}", greet)
        app.router.add_get("/stream", stream)
        app.router.add_get("/echo", echo)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = "http://127.0.0.1:%d" % site._server.sockets[0].getsockname()[1]
        async with aiohttp.ClientSession() as session:
            async def one(i):
                async with session.post(f"{url}/greet/{i}", data="x" * i) as response:
                    return await response.json()

            found = await asyncio.gather(*(one(i) for i in range(100)))
            assert found == [{"name": str(i), "body": "x" * i} for i in range(100)]
            async with session.get(url + "/stream") as response:
                assert len(await response.read()) == 500000
            async with session.ws_connect(url + "/echo") as client:
                await client.send_str("hello")
                assert (await client.receive()).data == "hello!"
        await runner.cleanup()

    run(main())


def test_aiohttp_over_tls(run, tmp_path):
    aiohttp = pytest.importorskip("aiohttp")
    import ssl
    from aiohttp import web
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key,
                    "-out", certificate], check=True, capture_output=True)

    async def main():
        async def big(_request):
            return web.Response(body=b"y" * 300000)

        serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        serving.load_cert_chain(certificate, key)
        app = web.Application()
        app.router.add_get("/", big)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        trusting = ssl.create_default_context(cafile=certificate)
        async with aiohttp.ClientSession() as session:
            for _ in range(5):
                async with session.get(f"https://localhost:{port}/", ssl=trusting) as response:
                    assert await response.read() == b"y" * 300000
        await runner.cleanup()

    run(main())


APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    size = int(scope["path"][1:] or 0)
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", str(size).encode())]})
    await send({"type": "http.response.body", "body": b"z" * size})
"""


def test_uvicorn_with_httptools(tmp_path):
    """uvicorn takes any loop by --loop MODULE:FACTORY, since 0.36."""
    pytest.importorskip("uvicorn")
    pytest.importorskip("httptools")
    (tmp_path / "application.py").write_text(APPLICATION)
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "application:app", "--loop", SPEC, "--http",
         "httptools", "--port", str(port), "--log-level", "warning"], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(
            filter(None, [os.environ.get("PYTHONPATH"), HERE]))},
        stderr=subprocess.PIPE, text=True)
    try:
        wait_for_port(port, server)
        for size in (0, 5, 10000, 1000000):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{size}", timeout=30) as got:
                assert got.read() == b"z" * size
    finally:
        end(server)
    assert "Traceback" not in server.stderr.read()


def test_websockets_echo(run):
    server_module = pytest.importorskip("websockets.asyncio.server")
    from websockets.asyncio.client import connect

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async def main():
        async with server_module.serve(echo, "127.0.0.1", 0, max_size=None) as server:
            port = server.sockets[0].getsockname()[1]

            async def talk(i):
                async with connect(f"ws://127.0.0.1:{port}", max_size=None) as client:
                    for size in (1, 1000, 100000, 1000000 if i == 0 else 10):
                        await client.send("x" * size)
                        assert await client.recv() == "x" * size

            await asyncio.gather(*(talk(i) for i in range(10)))

    run(main())


def test_redis_client(run, tmp_path):
    redis = pytest.importorskip("redis.asyncio")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server here (Debian: redis-server)")
    port = free_port()
    server = subprocess.Popen([program, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                               "--dir", str(tmp_path)], stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port, server)

        async def main():
            client = redis.Redis(port=port)
            await client.set("key", b"v" * 200000)
            assert await client.get("key") == b"v" * 200000
            assert await asyncio.gather(*(client.incr("n") for _ in range(50)))
            assert int(await client.get("n")) == 50
            async with client.pubsub() as channel:
                await channel.subscribe("c")
                await channel.get_message(timeout=10)
                await client.publish("c", "news")
                message = await channel.get_message(ignore_subscribe_messages=True, timeout=10)
                assert message["data"] == b"news"
            await client.aclose()

        run(main())
    finally:
        end(server)


@pytest.fixture
def postgresql():
    """The port and folder of a PostgreSQL server of its own."""
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
    if not programs:
        pytest.skip("no PostgreSQL here (Debian: postgresql)")
    folder, bin_folder, port = tempfile.mkdtemp(), os.path.dirname(programs[-1]), free_port()
    # PostgreSQL refuses to run as root.
    prefix = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] \
        if os.getuid() == 0 else []
    if prefix:
        shutil.chown(folder, "postgres", "postgres")
    subprocess.run(prefix + [f"{bin_folder}/initdb", "-D", f"{folder}/data", "-U", "tester", "-A",
                             "trust", "--no-sync"], check=True, capture_output=True, cwd=folder)
    server = subprocess.Popen(prefix + [
        f"{bin_folder}/postgres", "-D", f"{folder}/data", "-p", str(port), "-k", folder, "-F"],
        stderr=subprocess.DEVNULL, cwd=folder)
    try:
        wait_for_port(port, server)
        yield port
    finally:
        server.send_signal(2)  # SIGINT: fast shutdown
        server.wait(LIMIT)
        shutil.rmtree(folder, ignore_errors=True)


def test_asyncpg(run, postgresql):
    asyncpg = pytest.importorskip("asyncpg")

    async def main():
        pool = await asyncpg.create_pool(user="tester", database="postgres", host="127.0.0.1",
                                         port=postgresql, min_size=2, max_size=5, ssl=False)
        async with pool.acquire() as connection:
            await connection.execute("create table t (n int, s text)")
            await connection.copy_records_to_table(
                "t", records=[(i, "s" * i) for i in range(1000)])
        values = await asyncio.gather(*(pool.fetchval("select $1::int * 2", i)
                                        for i in range(100)))
        assert values == [2 * i for i in range(100)]
        assert await pool.fetchval("select sum(length(s)) from t") == 499500
        with pytest.raises(asyncio.TimeoutError):
            await pool.fetchval("select pg_sleep(10)", timeout=0.1)
        await pool.close()

    run(main())
