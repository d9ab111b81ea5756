"""Whether every state of one version of an app has a place in another, from which it can go on."""

__all__: list[str] = []
