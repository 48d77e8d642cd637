#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Conversations by TLS with programs that others wrote: OpenSSL, GnuTLS, curl, socat, ncat, nginx,
redis, PostgreSQL, testssl.sh and Python's ssl, on the engine of ASYNCIO_ENGINE.

    test_tls_peers.py BUILD      BUILD is a build folder whose examples and tests are built

Certificates are made by openssl. Everything runs on the loopback interface and is bounded in time.
A peer that is not installed is a test that is skipped by name.
"""

import contextlib
import glob
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from harness import Failure, Skip, own_port, run_tests

BUILD = os.path.abspath(sys.argv[1])
EXAMPLES = os.path.join(BUILD, "examples")
EXPECTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected")
LIMIT = 300.0  # seconds for one run of a program: for one that hangs, not for a slow machine
CONFIG = """
[req]
distinguished_name=dn
[dn]
[ca]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
[leaf]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid:always
subjectAltName=DNS:localhost,IP:127.0.0.1
[other]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid:always
subjectAltName=DNS:other.example
"""


def find(name):
    """Returns the path of a program; a test that needs one which is not installed is skipped."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise Skip(f"{name} is not installed")
    return path


def run(*command, text=None, codes=(0,), timeout=LIMIT):
    """Runs a command with that text on its standard input; returns what it prints to both."""
    command = (find(command[0]), *command[1:])
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout,
                          errors="replace", check=False)
    if codes is not None and done.returncode not in codes:
        raise Failure(f"{command} exits with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def holds(text, *wanted):
    """A text holds each of these."""
    for part in wanted:
        if part not in text:
            raise Failure(f"{part!r} is not in:\n{text}")


class Files:
    """An authority, a server's certificate and one of another name, in a folder."""

    def __init__(self, folder):
        def path(name):
            return os.path.join(folder, name)
        self.folder, self.ca, self.cert, self.key = folder, path("ca"), path("cert"), path("key")
        self.other_cert, self.other_key = path("other-cert"), path("other-key")
        with open(path("config"), "w", encoding="utf-8") as file:
            file.write(CONFIG)
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config",
                   path("config"))
        run("openssl", "req", "-x509", *new_key, "-keyout", path("ca-key"), "-out", self.ca,
            "-days", "30", "-subj", "/CN=an authority", "-extensions", "ca")
        for name, part, cert, key in (("localhost", "leaf", self.cert, self.key),
                                      ("other.example", "other", self.other_cert, self.other_key)):
            run("openssl", "req", *new_key, "-keyout", key, "-out", path("request"), "-subj",
                f"/CN={name}")
            run("openssl", "x509", "-req", "-in", path("request"), "-CA", self.ca, "-CAkey",
                path("ca-key"), "-CAcreateserial", "-out", cert, "-days", "30", "-extfile",
                path("config"), "-extensions", part)


@contextlib.contextmanager
def started(*command, port=None, first_line=False, **options):
    """A program that runs in the background: yields its port when it can be connected to."""
    command = (find(command[0]), *command[1:])
    output = subprocess.PIPE if first_line else subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output,
                               stderr=subprocess.DEVNULL, text=True, **options)
    try:
        if first_line:
            port = int(process.stdout.readline().split()[-1].split(":")[-1])
        else:
            await_port(port, process)
        yield port
    finally:
        process.kill()
        process.communicate()


def await_port(port, process):
    for _ in range(3000):
        if process.poll() is not None:
            raise Failure(f"{process.args} has ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise Failure(f"{process.args} does not listen")


class Peers:
    """The tests; each method is one."""

    def __init__(self, files):
        self.files = files

    def echo_server(self):
        return started(os.path.join(EXAMPLES, "echo_server"), "0", "--tls-cert", self.files.cert,
                       "--tls-key", self.files.key, first_line=True)

    def web_server(self):
        return started(os.path.join(EXAMPLES, "http_server"), "--port", "0", "--tls-cert",
                       self.files.cert, "--tls-key", self.files.key, first_line=True)

    def client(self, port, message="hello"):
        return run(os.path.join(EXAMPLES, "tls_client"), "localhost", str(port), message,
                   self.files.ca)

    # The programs of the manual.

    def test_manual(self):
        """The programs that the guide of TLS shows print what it says."""
        files = [self.files.ca, self.files.cert, self.files.key]
        others = [self.files.other_cert, self.files.other_key]
        for name, arguments in (("tls_basics", files), ("tls_choices", files + others),
                                ("tls_upgrade", files)):
            with open(os.path.join(EXPECTED, name + ".txt"), encoding="utf-8") as file:
                wanted = file.read()
            printed = run(os.path.join(EXAMPLES, "manual", name), *arguments)
            if printed != wanted:
                raise Failure(f"{name}: wanted\n{wanted}printed\n{printed}")

    # Our servers.

    def test_s_client(self):
        """openssl s_client verifies the server in both versions, and updates keys meanwhile."""
        with self.echo_server() as port:
            for version in ("-tls1_2", "-tls1_3"):
                text = self.s_client(port, version)
                holds(text, "Verification: OK", "one")

    def s_client(self, port, version):
        """Says lines to s_client, a key update between them, until the last one came back."""
        process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version, "-CAfile",
             self.files.ca, "-verify_return_error", "-verify_hostname", "localhost"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = ""
        try:
            lines = ["one\n"] + (["K\n", "k\n"] if version == "-tls1_3" else []) + ["last\n"]
            for line in lines:
                process.stdin.write(line)
                process.stdin.flush()
                time.sleep(0.2)
            for line in process.stdout:
                said += line
                if line == "last\n":
                    break
        finally:
            process.kill()
            process.communicate()
        return said

    def test_curl(self):
        """curl verifies the server, by name and by address, and refuses it without its
        authority."""
        with self.web_server() as port:
            for host in ("localhost", "127.0.0.1"):
                holds(run("curl", "-sS", "--cacert", self.files.ca, f"https://{host}:{port}/page"),
                      "/page")
            holds(run("curl", "-sS", f"https://localhost:{port}/", codes=(60,)), "certificate")
            holds(run("curl", "-sS", f"http://localhost:{port}/", codes=(0, 1, 52, 56)), "")

    def test_gnutls_cli(self):
        """GnuTLS, another implementation, verifies the server and ends in order."""
        with self.echo_server() as port:
            text = run("gnutls-cli", "--x509cafile", self.files.ca, "--port", str(port),
                       "localhost", text="hello\n", codes=None)
            holds(text, "certificate is trusted", "hello")

    def test_socat(self):
        """socat verifies the server and gets its line back."""
        with self.echo_server() as port:
            holds(run("socat", "-t", "5", "-",
                      f"OPENSSL:localhost:{port},cafile={self.files.ca},verify=1", text="hello\n"),
                  "hello")

    def test_ncat(self):
        """ncat verifies the server and gets its line back."""
        with self.echo_server() as port:
            holds(run("ncat", "--ssl-verify", "--ssl-trustfile", self.files.ca, "-i", "2",
                      "localhost", str(port), text="hello\n", codes=None), "hello")

    def test_python_client(self):
        """Python's ssl verifies the server, chooses a protocol and ends in order."""
        context = ssl.create_default_context(cafile=self.files.ca)
        with self.echo_server() as port, socket.create_connection(("127.0.0.1", port)) as plain, \
                context.wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(b"x" * 50000 + b"\n")
            received = b""
            while len(received) < 50001:
                piece = secure.recv(65536)
                if not piece:
                    raise Failure(f"the stream ended after {len(received)} bytes")
                received += piece
            secure.unwrap()  # waits for our close_notify

    def starttls_server(self, protocol):
        return started(os.path.join(BUILD, "tests", "starttls"), protocol, self.files.cert,
                       self.files.key, first_line=True)

    def test_curl_smtp(self):
        """curl sends a mail to a server of ours that begins in plain, and only by TLS."""
        with self.starttls_server("smtp") as port:
            mail = ("curl", "-sS", "--cacert", self.files.ca, f"smtp://localhost:{port}/",
                    "--mail-from", "a@localhost", "--mail-rcpt", "b@localhost", "-T", "-")
            run(*mail, "--ssl-reqd", text="Subject: hello\r\n\r\nbody\r\n")
            run(*mail, text="Subject: hello\r\n\r\nbody\r\n", codes=(55, 56, 8))  # MAIL is refused
            run("curl", "-sS", "--ssl-reqd", f"smtp://localhost:{port}/", codes=(60,))

    def test_curl_imap(self):
        """curl lists the folders of a server of ours that begins in plain, and only by TLS."""
        with self.starttls_server("imap") as port:
            listing = ("curl", "-sS", "--cacert", self.files.ca, "-u", "me:secret",
                       f"imap://localhost:{port}/")
            holds(run(*listing, "--ssl-reqd"), "INBOX")
            run(*listing, codes=(67,))  # LOGIN is refused

    def test_s_client_starttls(self):
        """openssl s_client upgrades connections by both protocols, and GnuTLS by one."""
        for protocol, said, wanted in (("smtp", "QUIT\r\n", "221 bye"),
                                       ("imap", "a LIST x\r\nb LOGOUT\r\n", "INBOX")):
            with self.starttls_server(protocol) as port:
                holds(run("openssl", "s_client", "-starttls", protocol, "-connect",
                          f"localhost:{port}", "-CAfile", self.files.ca, "-verify_return_error",
                          "-verify_hostname", "localhost", "-ign_eof", text=said, codes=None),
                      "Verification: OK", wanted)
        with self.starttls_server("smtp") as port:
            holds(run("gnutls-cli", "--starttls-proto=smtp", "--x509cafile", self.files.ca,
                      "--port", str(port), "localhost", text="", codes=None),
                  "certificate is trusted", "Handshake was completed")

    def test_testssl(self):
        """testssl.sh finds old versions not offered, and none of the holes that it knows; all its
        tests run with ASYNCIO_TEST_LONG=1."""
        some = () if os.environ.get("ASYNCIO_TEST_LONG") else ("-p", "-H", "-I", "-T", "-R", "-C")
        with self.web_server() as port:
            text = run("testssl", "--quiet", "--color", "0", "--warnings", "off", "--ip",
                       "127.0.0.1", "--sneaky", *some, f"localhost:{port}", codes=None,
                       timeout=4 * LIMIT)
        words = " ".join(text.split())
        holds(words, "SSLv2 not offered (OK)", "SSLv3 not offered (OK)", "TLS 1 not offered",
              "TLS 1.1 not offered", "TLS 1.2 offered (OK)", "TLS 1.3 offered (OK)")
        lines = [line for line in text.splitlines() if "NOT ok" in line
                 and not any(word in line for word in ("Chain of trust", "Issuer", "OCSP"))]
        if lines:  # the certificate's own authority is not one of the system's
            raise Failure("\n".join(lines))

    # Our clients.

    def test_postgresql(self):
        """A client of ours asks PostgreSQL for TLS by an SSLRequest, and refuses another name."""
        binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not binaries:
            raise Skip("postgres is not installed")
        with own_port() as port, tempfile.TemporaryDirectory() as folder:
            # It refuses to run as root.
            user = {"user": "nobody", "cwd": "/"} if os.geteuid() == 0 else {}
            data, cert, key = (os.path.join(folder, name) for name in ("data", "cert", "key"))
            shutil.copy(self.files.cert, cert)
            shutil.copy(self.files.key, key)
            os.chmod(key, 0o600)
            for path in (folder, cert, key) if user else ():
                shutil.chown(path, "nobody")
            made = subprocess.run([os.path.join(binaries[-1], "initdb"), "-D", data, "-A", "trust",
                                   "-U", "tester", "--no-sync", "--locale=C"], check=False,
                                  capture_output=True, text=True, timeout=LIMIT, **user)
            if made.returncode:
                raise Failure(made.stdout + made.stderr)
            settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off",
                        "ssl=on", f"ssl_cert_file={cert}", f"ssl_key_file={key}")
            with started(os.path.join(binaries[-1], "postgres"), "-D", data, "-p", str(port),
                         *(word for setting in settings for word in ("-c", setting)), port=port,
                         **user):
                self.ask_postgresql(port)

    def ask_postgresql(self, port):
        """See above; for a moment after it listens it refuses, because it is starting up."""
        command = (os.path.join(BUILD, "tests", "starttls"), "postgres")
        for _ in range(600):
            text = run(*command, "localhost", str(port), self.files.ca, "tester", codes=None)
            if "starting up" not in text:
                break
            time.sleep(0.1)
        holds(text, "TLSv1.3")
        holds(run(*command, "other.example", str(port), self.files.ca, "tester", codes=(1,)),
              "certificate is not valid for 'other.example'")

    def test_s_server(self):
        """A client of ours verifies openssl s_server in both versions."""
        for version in ("-tls1_2", "-tls1_3"):
            with own_port() as port, \
                    started("openssl", "s_server", "-accept", str(port), version, "-cert",
                            self.files.cert, "-key", self.files.key, "-rev", "-quiet", port=port):
                holds(self.client(port), "Received: olleh", "DNS:localhost")

    def test_nginx(self):
        """fetch gets pages from nginx by https, and says why it refuses a certificate."""
        with own_port() as port:
            self.fetch_from_nginx(port)

    def fetch_from_nginx(self, port):
        """See above."""
        config = os.path.join(self.files.folder, "nginx.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""daemon off; master_process off;
                pid {self.files.folder}/nginx.pid; error_log /dev/null;
                events {{}}
                http {{ access_log off; server {{ listen 127.0.0.1:{port} ssl;
                    ssl_certificate {self.files.cert}; ssl_certificate_key {self.files.key};
                    location / {{ return 200 "from nginx"; }} }} }}""")
        fetch = os.path.join(EXAMPLES, "fetch")
        with started("nginx", "-p", self.files.folder, "-c", config, port=port):
            url = f"https://localhost:{port}/"
            holds(run(fetch, "--cacert", self.files.ca, url, url + "a", url + "b"),
                  "3 fetched, 0 failed")
            holds(run(fetch, "--insecure", url), "1 fetched")
            holds(run(fetch, url, codes=(1,)),
                  "certificate verify failed: unable to get local issuer certificate")

    def test_redis(self):
        """A client of ours speaks to redis by TLS."""
        with own_port() as port, \
                started("redis-server", "--port", "0", "--tls-port", str(port), "--tls-cert-file",
                        self.files.cert, "--tls-key-file", self.files.key, "--tls-ca-cert-file",
                        self.files.ca, "--tls-auth-clients", "no", "--save", "", "--bind",
                        "127.0.0.1", port=port):
            holds(self.client(port, "PING"), "Received: +PONG")

    def test_python_server(self):
        """A client of ours verifies a server of Python's, and sees its end without close_notify."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.files.cert, self.files.key)
        listener = socket.create_server(("127.0.0.1", 0))

        def serve():
            for reply in (b"hello\n", None):
                plain, _ = listener.accept()
                secure = context.wrap_socket(plain, server_side=True)
                received = b""
                while not received.endswith(b"\n"):
                    received += secure.recv(100)
                if reply:
                    secure.sendall(reply)
                    secure.unwrap()
                secure.close()
        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        holds(self.client(port), "Received: hello")
        holds(run(os.path.join(EXAMPLES, "tls_client"), "localhost", str(port), "hello",
                  self.files.ca, codes=(1,)), "SSLEOFError")


def main():
    if os.environ.get("ASYNCIO_ENGINE") == "sim":
        raise Skip("the simulated engine has no sockets")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        peers = Peers(Files(folder))
        return run_tests("tls_peers", [(name, getattr(peers, name)) for name in dir(Peers)
                                       if name.startswith("test_")])


if __name__ == "__main__":
    sys.exit(main())
