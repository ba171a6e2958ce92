"""Questions about the state that the workers keep: answered from their tables by key, across workers."""
