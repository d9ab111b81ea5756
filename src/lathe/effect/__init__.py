"""Effects: what is done outside, after the action that asks for it is durable.

`render` turns settings into a request when the action commits, `resolve` fills in what is never stored when
it is tried. An adapter (`base.Performer`) tries it once and says how it ended; who tries it when, and what
follows, is the runtime's.
"""
