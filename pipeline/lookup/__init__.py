"""Look-ups through Commerce Query, in a Faust app of their own: an outage of Query delays nothing but them.

The way of a look-up: an enriched record says what there is to ask (``questions``). What is to be asked is written down
in a table with the time at which it is due (``book``), and the record is done with: no offset waits for Norce. Whatever
is due is asked, a few at a time, and the answer goes to one of the look-up topics, which the worker folds into the
state (``asker``). The enriched record that follows from it asks nothing new.
"""
