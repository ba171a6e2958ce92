"""The sinks: derived updates to Connect and to Checkout, each in a Faust app of its own."""

from pipeline.sinks.app import make_checkout_sink, make_connect_sink

__all__ = ["make_checkout_sink", "make_connect_sink"]
