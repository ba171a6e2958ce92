"""Norce events on Kafka: their catalogue, what they mean, and the processes that join and push them."""
