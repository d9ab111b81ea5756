"""What a step is: the one semantics that checker, simulator and runtime share. Pure."""
