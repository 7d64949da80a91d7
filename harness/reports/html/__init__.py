"""The HTML report: a page, its cells and their timelines."""
