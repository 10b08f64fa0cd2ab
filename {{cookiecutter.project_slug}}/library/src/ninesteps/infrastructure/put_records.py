"""Puts records into a feature group by PutRecord, many at a time, and collects refused ones.

Quotas: 10,000 calls a second of an account and 350 KB a record
(https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-quotas.html). One Python process
sends fewer; if the service throttles anyway, botocore's adaptive retries slow it down.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from ninesteps.feature_store.records import FeatureGroup, Record

AT_ONCE = 16
"""Calls that run in parallel."""

MOST_ATTEMPTS = 8

CHUNK = 50
"""Records that one thread puts before it reports its result."""

MOST_REFUSED = 1000
"""After this many refusals the rest is not sent: the cause probably affects all records."""

OF_THE_RECORD = (
    "ValidationError", "ValidationException", "InternalFailure", "ServiceUnavailable",
    "ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded",
)  # fmt: skip
"""Errors that concern one record, after all of botocore's retries; any other error concerns all
following records too."""


@dataclass(frozen=True)
class Refused:
    """A record that the service did not take."""

    id: str
    event_time: str
    reason: str


@dataclass
class Sent:
    """The result of putting records."""

    put: int = 0
    refused: list[Refused] = field(default_factory=list)
    seconds: float = 0.0
    is_stopped: bool = False  # too many were refused, and the rest was not sent

    @property
    def rate(self) -> float:
        """Records put a second."""
        return self.put / self.seconds if self.seconds else 0.0


def client(session: Any, at_once: int = AT_ONCE) -> Any:
    """A client of the Feature Store's runtime API that many threads may use."""
    retries = {"mode": "adaptive", "total_max_attempts": MOST_ATTEMPTS}
    config = Config(retries=retries, max_pool_connections=at_once)
    return session.client("sagemaker-featurestore-runtime", config=config)


def put_all(
    runtime: Any,
    group: FeatureGroup,
    records: Iterable[Record],
    tell: Callable[[Sent], None],
    at_once: int = AT_ONCE,
) -> Sent:
    """Put records; refused ones are tried again at the end, because some refusals are temporary.

    Of records of one id the greatest event time is kept online, whatever the order, and offline
    each is kept: so they need not arrive in theirs.

    Args:
        tell: called repeatedly with the progress.
    """
    began = time.monotonic()
    sent = Sent()
    again: list[tuple[Record, Refused]] = []
    for put, refused in _answers(runtime, group, records, at_once):
        sent.put += put
        again += refused
        sent.seconds = time.monotonic() - began
        tell(sent)
        if len(again) >= MOST_REFUSED:
            sent.is_stopped = True
            break
    if sent.is_stopped:
        sent.refused = [refused for _, refused in again]
    else:
        put, refused = _put(runtime, group, [record for record, _ in again])
        sent.put += put
        sent.refused = [one for _, one in refused]
    sent.seconds = time.monotonic() - began
    return sent


Answer = tuple[int, list[tuple[Record, Refused]]]
"""How many records were put, and those that were refused."""


def _answers(
    runtime: Any, group: FeatureGroup, records: Iterable[Record], at_once: int
) -> Iterator[Answer]:
    """What became of one chunk after the other; as many are under way as there are threads."""
    waiting: deque[Future[Answer]] = deque()
    chunks = _chunks(records)
    pool = ThreadPoolExecutor(at_once)
    try:
        for chunk in chunks:
            waiting.append(pool.submit(_put, runtime, group, chunk))
            if len(waiting) > at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    left = iter(records)
    while chunk := list(islice(left, CHUNK)):
        yield chunk


def _put(runtime: Any, group: FeatureGroup, records: Sequence[Record]) -> Answer:
    put, refused = 0, []
    for record in records:
        try:
            runtime.put_record(FeatureGroupName=group.name, Record=values(record))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in OF_THE_RECORD:
                raise
            reason = " ".join(f"{code}: {error.response['Error'].get('Message', '')}".split())
            identifier, moment = record[group.record_id], record[group.features.event_time]
            refused.append((record, Refused(identifier, moment, reason)))
        else:
            put += 1
    return put, refused


def values(record: Record) -> list[dict[str, str]]:
    """A record in the format of the runtime API."""
    return [{"FeatureName": name, "ValueAsString": text} for name, text in record.items()]
