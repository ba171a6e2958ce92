"""The audit: recomputes from the topics whether every event and every update ended in one state, by ids.

It reads with consumers that belong to no group and commit nothing, up to the ends that the topics have when it starts,
and keeps what it compares in a database in a temporary folder, so that memory does not grow with the number of records.

``course``    the whole of it, for commands and programs
``snapshot``  what to read, and from where to where, in an order that makes a moving system look still
``reading``   records of some offsets, politely
``evidence``  from records to rows
``database``  the rows
``events``,   what each event and each update came to, and what of it does not hold
``updates``
``states``    what the tables and the enriched topics say of each other
``report``    the balance, for people and for programs
"""
