"""The documentation: its pages, and what of them comes from the code when the site is built."""
