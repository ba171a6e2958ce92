"""Bodies that fit no event model: what there is of them, and trying them again after a fix."""
