"""The semantics: what a step is, shared by checker, simulator and runtime. Pure."""
