"""The deterministic simulation: the real core, the real commit order and the real sinks under virtual time.

One number decides everything that happens: which events come in which order, which process dies between which two
writes, whose clock jumps, which answer of Norce is lost. ``world.simulate(seed)`` runs one such history, hours of it in
milliseconds, and raises ``Broken`` where a promise does not hold.

Real: ``pipeline.domain``; ``Join``, ``work`` and ``sweep`` of the worker; ``Lanes``, ``Writer`` and ``Sent`` of the
sinks; ``SliceLedger``, ``SliceApp.settle`` and ``write``; fetching, draining and committing of ``SliceConsumer``; the
restoring of ``SliceRecovery``. Modelled: the brokers with groups and compaction, the disks, Norce, the death of
processes.
"""
