"""What the faults need: the whole pipeline, and the seed of what is random."""

from tests.pipeline.conftest import make_system

__all__ = ["make_system"]
