"""Apps with one change, each a mistake that somebody makes."""
