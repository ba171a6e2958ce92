"""What several tests need: topics, records and processes, all of them real."""
