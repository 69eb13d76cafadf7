# How Sphinx makes one book with search of doc/, of the pages that `make docs`
# generates, and of what else is written for readers.

project = "camb"
extensions = ["myst_parser"]
root_doc = "doc/index"
myst_heading_anchors = 4
smartquotes = False  # "--store" is no dash

html_theme = "alabaster"
html_theme_options = {
    "description": "Separate recordings into foreground and background.",
    "fixed_sidebar": True,
    "page_width": "68rem",
    "code_font_size": "0.82em",
}
html_sidebars = {"**": ["about.html", "searchbox.html", "navigation.html"]}
html_title = "camb"
html_use_index = False
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
# A page opened from a file cannot fetch the others for excerpts.
html_show_search_summary = False
