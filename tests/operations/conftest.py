"""What operations need: the whole pipeline."""

from tests.pipeline.conftest import make_system

__all__ = ["make_system"]
