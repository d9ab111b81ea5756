"""Level 1: what holds for all values and any number of steps, by induction over the system's commands.

Nothing is encoded a second time: the obligations are about the very commands that the search takes, with
whole ranges where the search takes samples. Its modules load z3 at once, so nothing outside imports
them but where something is to be proved.
"""
