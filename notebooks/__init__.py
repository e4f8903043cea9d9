"""Notebooks for JupyterLab, one question each. `tams notebooks` opens a copy of them on the running store.

They define nothing: what they use is imported from `tams_data`. `python -m tests.notebooks` runs them and writes what
they show.
"""
