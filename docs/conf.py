"""How the documentation is built: `python -m sphinx -W --keep-going docs site`, or .ci/run."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import generated  # noqa: E402

import ferkeras  # noqa: E402
from ferkeras.cli.quiet import import_tensorflow  # noqa: E402

project = "ferkeras"
author = "the ferkeras authors"
copyright = "the ferkeras authors; Apache License 2.0"
release = version = ferkeras.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["notebooks/*.ipynb"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# Docstrings have Markdown's backquotes: a name that is documented becomes a link.
default_role = "py:obj"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_title = "ferkeras"
html_copy_source = False
html_show_sourcelink = False
pygments_style = "friendly"
pygments_dark_style = "monokai"


def setup(app):
    """Make pages from the code before Sphinx looks for pages; take Markdown in docstrings."""
    # Autodoc imports the callbacks, and they Keras, which would otherwise write to the console.
    import_tensorflow()
    app.connect("builder-inited", lambda app: generated.write(HERE / "generated"))
    app.connect("source-read", generated.notebooks_to_pages)
    app.connect("autodoc-process-docstring", generated.fences_to_directives, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
