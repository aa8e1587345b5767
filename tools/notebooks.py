"""Run the book's notebooks and store their outputs: ``python tools/notebooks.py [name ...]``, or ``make notebooks``.

A second run changes no byte: no timing, fixed metadata, cell ids kept.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

# Threads that wait for each other slow small matrices down many times.
os.environ.setdefault("OMP_NUM_THREADS", "1")
BOOK = Path(__file__).resolve().parent.parent / "book"
# Kernels import the package of this checkout, whatever is installed.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(BOOK.parent), os.environ.get("PYTHONPATH")]))
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def refresh(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("execution", None)
    notebook.metadata.kernelspec = dict(KERNEL)
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    notebook.metadata.kernelspec = dict(KERNEL)
    notebook.metadata.language_info = {"name": "python"}
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, indent=1, ensure_ascii=False)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    print(f"ran {path.name}: {sum(c.cell_type == 'code' for c in notebook.cells)} code cells")


if __name__ == "__main__":
    names = sys.argv[1:] or sorted(p.stem for p in BOOK.glob("*.ipynb"))
    for name in names:
        refresh(BOOK / f"{Path(name).stem}.ipynb")
