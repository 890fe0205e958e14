"""Files that pages offer: the certificate of an erasure, and the export of a person."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from trackway.dashboard.answering import make_question
from trackway.dashboard.page import NotThere
from trackway.dashboard.pages.privacy import demand_request


async def send_certificate(request: Request) -> Response:
    """As it was signed, to the byte. NotThere while there is none."""
    found = await run_in_threadpool(lambda: demand_request(make_question(request)))
    if not found.answer:
        raise NotThere(f"The request {found.id} has no certificate (yet).", "certificate")
    return Response(found.answer, 200, _name_file(f"certificate-{found.id}.json"), "application/json")


async def send_export(request: Request) -> Response:
    """The zip, made while it is sent. NotThere for a request of another kind, and when the person was erased since."""
    question = await run_in_threadpool(make_question, request)
    found = await run_in_threadpool(demand_request, question)
    pieces = await run_in_threadpool(question.desk.export, found) if found.kind == "export" else None
    if pieces is None:
        raise NotThere(
            f"The request {found.id} has no export: it is of another kind, or the person was erased.", "export"
        )
    return StreamingResponse(pieces, 200, _name_file(f"export-{found.id}.zip"), "application/zip")


def _name_file(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}
