#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual in a browser: pages fit on a desk and on a phone, in light and dark, and the search
finds what it must without a network.

    browser.py HTML [SCREENSHOTS]       HTML is the folder of the manual, as build/manual/html

Chromium shows each page in a frame of the wanted width, and a script measures it. With SCREENSHOTS,
pictures of some pages are put into that folder for a human to look at.
"""

import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Failure, Skip, run_methods  # noqa: E402

HTML = os.path.abspath(sys.argv[1])
PAGES = ["index", "start/first", "start/fetcher", "start/cheat_sheet", "concepts/overview",
         "concepts/cancellation", "concepts/ownership", "howto/back_pressure",
         "howto/serving", "howto/tls", "coming/libuv", "reference/python_names", "reference/errors",
         "api/index", "api/task", "api/queue",
         "api/error", "api/loop", "CHANGELOG", "performance"]
# A word, and a page that the search must find for it.
WORDS = {"create_task": "api/task", "asyncio_queue_put": "api/queue", "cancellation":
         "concepts/cancellation", "ownership": "concepts/ownership", "io_uring":
         "concepts/engines", "timeout": "concepts/time", "gather": "concepts/structured",
         "semaphore": "howto/back_pressure", "signal": "concepts/threads", "fork":
         "concepts/threads", "stack": "stacks", "valgrind": "howto/building", "cmake":
         "start/install", "tokio": "coming/go_tokio", "libuv": "coming/libuv", "gdb":
         "howto/debugging", "virtual clock": "howto/testing", "ASYNCIO_EGROUP":
         "reference/errors", "readline": "api/stream", "executor": "howto/executor_allocator",
         "systemd": "howto/serving", "certificate": "howto/tls"}

SCRIPT = """<!doctype html><meta charset="utf-8"><body><pre id="result"></pre><script>
const jobs = %s, found = [];
function next() {
    if (!jobs.length) {
        document.getElementById("result").textContent = "BEGIN" + JSON.stringify(found) + "END";
        return;
    }
    const job = jobs.shift(), frame = document.createElement("iframe");
    frame.style.width = job.width + "px";
    frame.style.height = "900px";
    frame.src = job.url;
    let patience = 200;
    function measure() {
        const page = frame.contentDocument, body = page.body;
        const links = Array.from(page.querySelectorAll("#search-results li a"), a => a.href);
        body.dataset.theme = job.scheme;  // as the button of the page does
        if (job.word && !/Search (finished|Results)/i.test(
                (page.querySelector("#search-results") || body).textContent) && --patience > 0) {
            setTimeout(measure, 50);
            return;
        }
        found.push({page: job.page, width: job.width, word: job.word, links: links,
                    scroll: page.documentElement.scrollWidth, theme: body.dataset.theme,
                    background: frame.contentWindow.getComputedStyle(body).backgroundColor,
                    colour: frame.contentWindow.getComputedStyle(body).color});
        frame.remove();
        next();
    }
    frame.onload = function () { setTimeout(measure, 50); };
    document.body.appendChild(frame);
}
next();
</script>"""


def brightness(colour):
    """Returns the mean of the three parts of rgb(r, g, b)."""
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3]) / 3


class Browser:
    """Runs Chromium without a window and without a network."""

    def __init__(self, folder):
        self.folder = folder
        self.program = shutil.which("chromium") or shutil.which("chromium-browser")
        if not self.program:
            raise Skip("chromium is not installed")
        if not os.path.exists(os.path.join(HTML, "index.html")):
            raise Skip("there is no manual: run `make manual`")

    def run(self, dark, *arguments):
        done = subprocess.run(
            [self.program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--user-data-dir=" + os.path.join(self.folder, "profile"),
             "--allow-file-access-from-files", "--host-resolver-rules=MAP * ~NOTFOUND",
             f"--blink-settings=preferredColorScheme={0 if dark else 1}", *arguments],
            capture_output=True, text=True, timeout=900, check=False)
        return done.stdout

    def measure(self, dark, jobs):
        """Shows each page in a frame; returns what the script has found."""
        path = os.path.join(self.folder, "jobs.html")
        for job in jobs:
            job["scheme"] = "dark" if dark else "light"
            job["url"] = f"file://{HTML}/{job['page']}.html" + (
                "?q=" + job["word"].replace(" ", "+") if job.get("word") else "")
        with open(path, "w", encoding="utf-8") as file:
            file.write(SCRIPT % json.dumps(jobs))
        printed = self.run(dark, "--window-size=1400,1000", "--virtual-time-budget=600000",
                           "--timeout=600000", "--dump-dom", "file://" + path)
        match = re.search(r"BEGIN(\[.*\])END", printed, re.DOTALL)
        if not match:
            raise Failure(f"chromium has shown nothing: {printed[-2000:]}")
        return json.loads(match[1].replace("&amp;", "&").replace("&lt;", "<")
                          .replace("&gt;", ">"))

    def test_pages_fit(self):
        """No page is wider than the window, at 1280 and at 414 pixels, in light and in dark."""
        for dark in (False, True):
            jobs = [{"page": page, "width": width} for page in PAGES for width in (1280, 414)]
            for found in self.measure(dark, jobs):
                if found["scroll"] > found["width"]:
                    raise Failure(f"{found['page']} is {found['scroll']} pixels wide "
                                  f"on {found['width']}")
                light = brightness(found["background"]) - brightness(found["colour"])
                if (light < -90) != dark or (light > 90) == dark:
                    raise Failure(f"{found['page']}: {found['colour']} on {found['background']}, "
                                  f"dark: {dark}, theme: {found['theme']}")

    def test_follows_the_system(self):
        """A page is light or dark as the system is."""
        for dark in (False, True):
            printed = self.run(dark, "--dump-dom", f"file://{HTML}/index.html")
            if f'data-theme="{"dark" if dark else "light"}"' not in printed:
                raise Failure(f"dark: {dark}, and the page is not")

    def test_search_works_without_a_network(self):
        """The search finds known words, and the page that explains each."""
        jobs = [{"page": "search", "width": 1280, "word": word} for word in WORDS]
        for found in self.measure(False, jobs):
            wanted = WORDS[found["word"]]
            if not any(wanted + ".html" in link for link in found["links"]):
                raise Failure(f"{found['word']!r} does not find {wanted}: {found['links'][:10]}")


def take_screenshots(browser, folder):
    """Puts pictures of some pages into a folder."""
    os.makedirs(folder, exist_ok=True)
    for page in ("index", "concepts/overview", "start/fetcher", "api/queue",
                 "reference/python_names"):
        for name, size in (("desk", "1280,1400"), ("phone", "414,1200")):
            for dark in (False, True):
                path = os.path.join(folder, f"{page.replace('/', '_')}-{name}-"
                                            f"{'dark' if dark else 'light'}.png")
                browser.run(dark, "--hide-scrollbars", "--window-size=" + size,
                            "--screenshot=" + path, f"file://{HTML}/{page}.html")


def main():
    def then(browser):
        if len(sys.argv) > 2:
            take_screenshots(browser, sys.argv[2])
    return run_methods("packages_browser", Browser, then)


if __name__ == "__main__":
    sys.exit(main())
