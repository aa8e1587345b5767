"""Every other page in a browser."""

from site_looks import *  # noqa: F403
from site_pages import NOTEBOOKS, PAGES

NAMES = [name for name in dict.fromkeys(PAGES) if name not in NOTEBOOKS]
