"""Finding the events that never came, by asking Norce how its orders are, and publishing what follows from the answer.

Norce gives an event up after 22 hours and records none while a webhook is switched off. ``compare`` says what is
missing of one order and what differs, and knows neither Kafka nor HTTP; ``sweep`` goes through all of them.
"""
