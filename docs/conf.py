# SPDX-License-Identifier: MIT
"""How Sphinx makes the manual; tools/make_manual.py runs it.

A literal that is a public name (`asyncio_sleep()`, `ASYNCIO_EGROUP`, `queue.h`) becomes a link to
its entry, so that the guides stay plain Markdown. A name that no header declares is an error.
"""

import os
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

project = "libasyncio"
author = "the authors of libasyncio"
copyright = author
with open(os.path.join(os.path.dirname(__file__), "include", "asyncio", "api.h"),
          encoding="utf-8") as api:
    version = release = ".".join(re.findall(r"define ASYNCIO_VERSION_[A-Z]+ (\d+)", api.read()))
html_last_updated_fmt = None
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False

extensions = ["myst_parser", "sphinx_copybutton"]
root_doc = "index"
exclude_patterns = ["examples/**", "include/**", "tests/**", "api_table.md"]
highlight_language = "c"
primary_domain = "c"
pygments_style = "tango"
pygments_dark_style = "github-dark"
html_theme = "furo"
html_title = "libasyncio"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_js_files = ["manual.js"]
myst_heading_anchors = 3
myst_enable_extensions = ["deflist", "colon_fence"]
# Names that are not ours: the C library's.
nitpick_ignore_regex = [("c:identifier", r"(?!asyncio|ASYNCIO).*")]
# What the environment of a program can hold: the page environment explains these.
ENVIRONMENT = {"ASYNCIO_ENGINE", "ASYNCIO_DEBUG", "ASYNCIO_REPORT_OVERFLOW"}
# Of the test suite, of libasyncio itself, and of the naming scheme.
NOT_NAMES = {"ASYNCIO_TEST_SWEEP", "ASYNCIO_TEST_KERNEL", "asyncio_", "asyncio__", "ASYNCIO_",
             "asyncio_reserved", "ASYNCIO_PYTHONS"}

man_pages = [
    ("concepts/overview", "asyncio", "asyncio for C: loop, coroutine, task, future", [author], 7),
    ("concepts/errors", "asyncio_errors", "error codes, details, causes and groups", [author], 7),
    ("concepts/ownership", "asyncio_ownership", "what a caller must free", [author], 7),
    ("concepts/cancellation", "asyncio_cancellation", "how tasks are cancelled", [author], 7),
    ("concepts/threads", "asyncio_threads", "threads, signals and fork", [author], 7),
    ("concepts/engines", "asyncio_engines", "how a loop waits for the kernel", [author], 7),
    ("stacks", "asyncio_stacks", "the stacks of coroutines", [author], 7),
    ("howto/testing", "asyncio_testing", "tests on the virtual clock", [author], 7),
]


class LinkNames(SphinxTransform):
    """Makes links of literals that are public names."""

    default_priority = 500

    def apply(self, **kwargs):
        here = self.env.docname
        if here == "CHANGELOG":  # it has names of the past
            return
        headers = {doc.split("/")[1] for doc in self.env.found_docs if doc.startswith("api/")}
        for node in list(self.document.findall(nodes.literal)):
            if isinstance(node.parent, (nodes.reference, addnodes.pending_xref)):
                continue
            text = node.astext()
            match = re.fullmatch(r"(asyncio_\w+|ASYNCIO_\w+)(\(\))?", text)
            if match and match[1] not in NOT_NAMES:
                link = (("std", "envvar") if match[1] in ENVIRONMENT else ("c", "identifier"))
                link += (match[1],)
            elif re.fullmatch(r"(asyncio/)?[a-z_]+\.h", text) and (
                    os.path.basename(text)[:-2] in headers):
                link = ("std", "doc", "/api/" + os.path.basename(text)[:-2])
            else:
                continue
            xref = addnodes.pending_xref(
                "", refdoc=here, refdomain=link[0], reftype=link[1], reftarget=link[2],
                refwarn=True, refexplicit=link[1] == "doc")
            node.replace_self(xref)
            xref += node


def setup(app):
    app.add_transform(LinkNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
