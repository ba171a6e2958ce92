"""The join: order, payment and subscription events to enriched records, with state and changelog."""
