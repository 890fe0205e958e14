"""Files that pages offer: the certificate of an erasure, the export of a person, a tracking plan."""

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from trackway.dashboard.answering import make_question
from trackway.dashboard.page import NotThere
from trackway.dashboard.pages.plan import RANGES, choose_range
from trackway.dashboard.pages.privacy import demand_request
from trackway.query.catalogue import infer_plan
from trackway.query.plans import describe_plan


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


async def send_plan(request: Request) -> Response:
    """The plan in force, as `trackway plan set` takes it."""
    question = await run_in_threadpool(make_question, request)
    plan = await run_in_threadpool(describe_plan, question.desk.state, question.desk.workspace)
    return _send_plan({"entries": plan["entries"]}, "tracking-plan.json")


async def send_inferred_plan(request: Request) -> Response:
    """A plan made of the traffic of the page's range. QuestionError where there was none."""
    question = await run_in_threadpool(make_question, request)
    desk, days = question.desk, RANGES[choose_range(question)]
    plan = await run_in_threadpool(lambda: infer_plan(desk.store, desk.state, desk.workspace, desk.clock(), days=days))
    return _send_plan(plan, f"inferred-plan-{days}-days.json")


def _send_plan(plan: Any, name: str) -> Response:
    return Response(msgspec.json.format(msgspec.json.encode(plan)), 200, _name_file(name), "application/json")


def _name_file(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}
