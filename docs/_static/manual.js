/* SPDX-License-Identifier: MIT */
/* Follows the system's choice of light or dark: Debian's build of the theme has no rule for that. */
(function () {
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    function follow() {
        if (document.body.dataset.theme === "auto")
            document.body.dataset.theme = dark.matches ? "dark" : "light";
    }
    function begin() {
        follow();
        new MutationObserver(follow).observe(document.body, {attributeFilter: ["data-theme"]});
        dark.addEventListener("change", function () {
            document.body.dataset.theme = localStorage.getItem("theme") || "auto";
        });
    }
    /* Lets long names in tables break behind an underscore or a dot, and not within a word. */
    function allow_breaks() {
        const cells = document.querySelectorAll("article td");
        cells.forEach(function (cell) {
            const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
            const long = [];
            while (walker.nextNode())
                if (/\w[_.]\w/.test(walker.currentNode.data))
                    long.push(walker.currentNode);
            long.forEach(function (text) {
                const parts = text.data.split(/(?<=\w[_.])(?=\w)/);
                parts.slice(1).forEach(function (part) {
                    text.parentNode.insertBefore(document.createTextNode(parts.shift()), text);
                    text.parentNode.insertBefore(document.createElement("wbr"), text);
                });
                text.data = parts[0];
            });
        });
    }
    document.addEventListener("DOMContentLoaded", allow_breaks);
    if (document.body)
        begin();
    else
        document.addEventListener("DOMContentLoaded", begin);
})();