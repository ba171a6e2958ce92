"""Making the worker's state anew from the event topics."""
