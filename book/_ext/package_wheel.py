"""The package as a wheel, made from the checkout with nothing but the standard library: the same bytes every time.

Readers get it without asking a registry, where another project has the name `companion`: inside the notebooks that they
download, and beside the pages that run in their browser.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tomllib
import zipfile
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MOMENT = (1980, 1, 1, 0, 0, 0)  # zip's first; the time of the build is nobody's business


def project(root: Path = ROOT) -> dict:
    """What the project says of itself."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def wheel(
    root: Path = ROOT, *, data: Collection[str] | None = None, compression: int = zipfile.ZIP_DEFLATED
) -> tuple[str, bytes]:
    """The file name and the bytes of the wheel, with all files of `companion/lesson/data` or those named."""
    about_it = project(root)
    name, version = about_it["name"].replace("-", "_"), about_it["version"]
    patterns = ["**/*.py", "py.typed", "lesson/data/**/*.*"]
    paths = {path for pattern in patterns for path in (root / "companion").glob(pattern) if path.is_file()}
    folder = root / "companion" / "lesson" / "data"
    if data is not None:
        paths = {path for path in paths if folder not in path.parents or path.relative_to(folder).as_posix() in data}
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    about = f"{name}-{version}.dist-info"
    lines = ["Metadata-Version: 2.4", f"Name: {about_it['name']}", f"Version: {version}"]
    lines += [f"Summary: {about_it['description']}", f"License-Expression: {about_it['license']}"]
    lines += [f"License-File: {file}" for file in about_it["license-files"]]
    lines += [f"Requires-Python: {about_it['requires-python']}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in about_it["dependencies"]]
    files[f"{about}/METADATA"] = "\n".join([*lines, ""]).encode()
    files[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: book\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    for file in about_it["license-files"]:
        files[f"{about}/licenses/{file}"] = (root / file).read_bytes()
    record = [f"{path},sha256={_digest(body)},{len(body)}" for path, body in sorted(files.items())]
    files[f"{about}/RECORD"] = "\n".join([*record, f"{about}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression, compresslevel=9) as archive:
        for path, body in sorted(files.items()):
            entry = zipfile.ZipInfo(path, MOMENT)
            entry.compress_type, entry.external_attr, entry.create_system = compression, 0o644 << 16, 3
            archive.writestr(entry, body)
    return f"{name}-{version}-py3-none-any.whl", packed.getvalue()


def _digest(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
