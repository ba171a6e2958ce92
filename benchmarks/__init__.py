"""How fast the pipeline is: against peers that do the same work, and against the limits of this machine.

``make bench`` runs everything on one Apache Kafka; ``make bench-quick`` what continuous integration checks. Every
figure that is judged is a ratio of two runs of the same repetition, so that a slow machine, or one that is busy,
slows both.
"""
