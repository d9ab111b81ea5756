"""Analyses on the skeleton (`search.regions`) of one version or two, for values that no search covers.

Its modules load numpy and SciPy at once, so other packages import them lazily.
"""
