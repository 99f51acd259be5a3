"""How Sphinx builds the site: `tox run -e docs`."""

from __future__ import annotations

from importlib.metadata import version as version_of
from pathlib import Path
import sys


sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "pytest-zephyr"
author = "The pytest-zephyr maintainers"
copyright = "The pytest-zephyr maintainers"
release = version_of("pytest-zephyr")

extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["_*", "README.md"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = "pytest-zephyr"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"

# Of a block of a terminal, only the commands are copied.
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
