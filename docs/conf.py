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

extensions = ["myst_parser", "reference", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_*", "README.md"]
nitpicky = True
# Types in signatures to which no link is possible: those of others, whose sites are
# not read while this one is built, and two of ours that have no entry here.
nitpick_ignore_regex = [
    ("py:class", r"_?pytest\..*"),
    ("py:class", r"os\..*"),
    ("py:class", r"Cases|pytest_zephyr\.plugin\.step_block\.StepBlock"),
]

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 4

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = "pytest-zephyr"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_extra_path = ["report.schema.json"]
add_module_names = False
autodoc_member_order = "bysource"
default_role = "code"
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"

# Of a block of a terminal, only the commands are copied.
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
