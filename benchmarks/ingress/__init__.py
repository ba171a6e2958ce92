"""Ingress: a webhook's way to a record that Kafka has acknowledged."""
