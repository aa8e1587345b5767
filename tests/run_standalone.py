"""Run the cells of a notebook as a kernel would, where only some packages can be imported: for `test_standalone.py`.

    python -I run_standalone.py NOTEBOOK '{"allowed": ["numpy"], "stranger": "folder", "cells": 3}'

A folder of strangers stands first on the path and its `companion` is imported already. There is no network. The last
line that is printed has the cells that raised an error, with its name.
"""

import json
import os
import socket
import sys
from pathlib import Path


class Only:
    """Refuses what is neither in the standard library nor allowed."""

    def __init__(self, allowed):
        self.allowed = {*allowed, *sys.stdlib_module_names, "companion"}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in self.allowed and not name.startswith("_"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def no_network(*arguments):
    raise OSError("there is no network")


def main(path, options):
    os.environ["MPLBACKEND"] = "Agg"
    if options.get("stranger"):
        sys.path.insert(0, options["stranger"])
        import companion

        assert companion.STRANGER
    sys.meta_path.insert(0, Only(options["allowed"]))
    socket.socket.connect = no_network
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    namespace, raised = {"__name__": "__main__"}, {}
    for cell in [cell for cell in cells if cell["cell_type"] == "code"][: options.get("cells")]:
        try:
            exec(compile("".join(cell["source"]), cell["id"], "exec"), namespace)
        except Exception as error:
            print(f"{cell['id']}: {error}", file=sys.stderr)
            raised[cell["id"]] = type(error).__name__
    print("\n" + json.dumps(raised))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
