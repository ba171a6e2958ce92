"""Personal data by tier: pseudonyms for everybody, values for those with the keys, and a way to forget a person.

The core (``identifiers``, ``pseudonyms``, ``wrapping``, ``personal``, ``sealing``, ``keeper``) knows no Kafka;
``tables``, ``app``, ``reading`` and ``forgetting`` put it there. Which fields are personal is marked in the event
models and nowhere else.

========================  ============================================================================================
where                     what stands there
========================  ============================================================================================
``norce.orders.buyers``   public: keyed pseudonyms of who bought, by the key that ``norce.orders.enriched`` has
``norce.orders.private``  private: the values, encrypted with the data keys of the persons in them
``norce.person-keys``     private: the data keys, wrapped with a key that only the settings have
event topics, quarantine  private by access control and retention: the bodies as Norce sent them, in the clear
========================  ============================================================================================
"""

from pipeline.privacy.topics import FORGET, ORDERS_BUYERS, ORDERS_PRIVATE, PERSON_KEYS, PRIVACY_TOPICS

__all__ = ["FORGET", "ORDERS_BUYERS", "ORDERS_PRIVATE", "PERSON_KEYS", "PRIVACY_TOPICS"]
