"""The drift watch: what is reported, once, and what never stands in a report."""
