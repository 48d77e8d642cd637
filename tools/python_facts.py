# SPDX-License-Identifier: MIT
"""Prints what the build of the extension needs of the interpreter that runs this.

Two lines: the suffix of an extension without its first dot; the folders of headers, by colons.
"""

import os
import sysconfig

suffix = sysconfig.get_config_var("EXT_SUFFIX")
folders = [sysconfig.get_path("include"), sysconfig.get_path("platinclude")]
# Debian's pyconfig.h includes one of a folder beside the others.
folders.append(os.path.dirname(folders[0]))
print(suffix[1:])
print(":".join(dict.fromkeys(folders)))
