"""Lathe: blueprints of how entities may live, and the gate that admits or refuses them."""

__version__ = "0.1.0"
