"""Every chapter in a browser."""

from site_looks import *  # noqa: F403
from site_pages import NOTEBOOKS

NAMES = NOTEBOOKS
