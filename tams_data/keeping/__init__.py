"""Keeping data: backups of a store, restored into an empty one, and whether a store is what it must be.

Media bytes are no part of it: they are in the media store, which has backups of its own.
"""
