"""The book: sphinx-build -c docs . build/book, from the root of the project, so that pages link to reports as they lie."""

project = "ganrepro"
author = "the authors of ganrepro"
project_copyright = "the authors of ganrepro; MIT"
extensions = ["myst_nb", "sphinx.ext.autodoc"]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md", "docs/*.ipynb", "docs/course/*.ipynb", "reports/*/README.md", "reports/README.md", "reports/claims.md",
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "zoo/README.md", "zoo/*/README.md",
]  # fmt: skip
nb_execution_mode = "off"  # outputs of notebooks are kept, and tests run them
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # model cards begin with their table of contents for a hub
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
html_theme = "pydata_sphinx_theme"
html_title = "ganrepro"
html_static_path = ["_static"]
html_extra_path = ["_extra"]  # an index.html that leads to the book's first page
html_css_files = ["book.css"]
html_js_files = [("filter.js", {"defer": "defer"})]
html_theme_options = {
    "navbar_align": "left", "show_prev_next": False, "show_toc_level": 2,
    "navigation_with_keys": False, "header_links_before_dropdown": 6,
    "footer_start": ["copyright"], "footer_end": [], "secondary_sidebar_items": ["page-toc"],
}  # fmt: skip
html_show_sourcelink = False
html_copy_source = False
