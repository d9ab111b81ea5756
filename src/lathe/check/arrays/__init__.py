"""Tier 1: the search of large systems on sorted arrays of packed words, and what judges such graphs.

Its modules load numpy (and SciPy) at once, so nothing outside imports them but where a search has grown.
"""
