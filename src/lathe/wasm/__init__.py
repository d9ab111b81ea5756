"""WebAssembly modules of an app: inspection, and one bounded call in a fresh instance.

`interface` is what authors write against, as data, and loads nothing. `inspect` judges a module before
anything runs, `call` runs it; both load wasmtime, and are imported only where an app has modules.
"""
