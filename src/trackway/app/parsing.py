"""Submissions parsed outside the door: by the pipeline, for a replay, for a comparison with what is stored."""

from collections.abc import Callable, Mapping

from trackway.collect.body import unpack_body
from trackway.collect.limits import Limits
from trackway.collect.protocol import Parsed, Protocol
from trackway.collect.protocols import PROTOCOLS
from trackway.event import Source, Submission
from trackway.outcome import Reason, Refused, refuse
from trackway.pipeline.adapters import AdapterFailed

PROTOCOLS_BY_NAME = {protocol.name: protocol for protocol in PROTOCOLS}

# (protocol, submission, its body unpacked, source) -> what it holds; raises Refused.
Parse = Callable[[Protocol, Submission, bytes, Source], Parsed]


def parse_unpacked(parse: Parse, protocol: Protocol, submission: Submission, source: Source, limits: Limits) -> Parsed:
    """Refused as the door refuses; AdapterFailed when the protocol stumbles."""
    try:
        body = unpack_body(submission.body, submission.headers.get("content-encoding", ""), limits)
        return parse(protocol, submission, body, source)
    except Refused:
        raise
    except Exception as error:
        # One submission that a protocol stumbles over must stop neither the log nor a replay of others.
        raise AdapterFailed(f"{type(error).__name__}: {error}") from error


def parse_again(parse: Parse, submission: Submission, sources: Mapping[str, Source], limits: Limits) -> Parsed:
    """What a submission of the past would be now. Refused where nothing of it is taken, for whatever reason."""
    source, protocol = sources.get(submission.source), PROTOCOLS_BY_NAME.get(submission.protocol)
    if source is None or protocol is None:
        gone = "the source was deleted" if source is None else f"there is no protocol {submission.protocol}"
        raise refuse(Reason.SOURCE_GONE, gone)
    try:
        return parse_unpacked(parse, protocol, submission, source, limits)
    except AdapterFailed as failed:
        raise refuse(Reason.ADAPTER_FAILED, str(failed)[:500]) from failed
