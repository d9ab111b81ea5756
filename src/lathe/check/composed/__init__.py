"""The composed system: an app at a scope, as packed states and the guarded commands between them."""
