"""Beyond the scope: what too few instances, principals or values could not show, asked again or reported as
open.
"""
