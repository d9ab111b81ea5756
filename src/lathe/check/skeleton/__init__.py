"""What skeletons (`search.regions`) settle of what no search of all values sees: one version, or two.

Its modules load numpy and SciPy at once, so nothing outside imports them but where that is asked.
"""
