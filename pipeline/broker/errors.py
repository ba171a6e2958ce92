"""What can go wrong with a local broker, as one tree.

BrokerError
├── KafkaNotInstallable     Apache Kafka cannot run on this machine as it is
│   ├── JavaMissing
│   ├── JavaTooOld
│   ├── MavenMissing
│   └── FetchFailed
└── BrokerUnavailable       it was started, or named, and does not answer
"""

from __future__ import annotations


class BrokerError(Exception):
    """Base of all errors of the launcher."""


class KafkaNotInstallable(BrokerError):
    """Apache Kafka cannot run on this machine as it is; another broker can take its place."""


class JavaMissing(KafkaNotInstallable):
    """No Java was found in ``JAVA_HOME`` or on the ``PATH``."""


class JavaTooOld(KafkaNotInstallable):
    """A Java was found that Kafka does not run on."""


class MavenMissing(KafkaNotInstallable):
    """Kafka's jars are not in the cache and there is no Maven to fetch them."""


class FetchFailed(KafkaNotInstallable):
    """Maven could not fetch Kafka's jars, or what it fetched is not what was expected."""


class BrokerUnavailable(BrokerError):
    """A node ended or did not get ready in time.

    ``log`` is the end of the node's log, empty where there is none.
    """

    def __init__(self, message: str, log: str = "") -> None:
        self.log = log
        super().__init__(f"{message}\n{log}".rstrip())
