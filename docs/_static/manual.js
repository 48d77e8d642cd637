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
    if (document.body)
        begin();
    else
        document.addEventListener("DOMContentLoaded", begin);
})();
