"""The contestants that are not ours. Each runs as a process in ``.venv-peers``.

So only what that holds is imported here, the pipeline's pure core and the standard library.
"""
