"""A web application that counts its own requests: a middleware writes, an endpoint returns a series."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response

from kairos import AsyncTimeseries
from kairos.errors import UnknownInterval

INTERVALS: dict[str, dict[str, Any]] = {
    "minute": {"step": 60, "steps": 24 * 60},
    "day": {"step": "daily", "resolution": 3600, "steps": 400},
}


def create_app(target: str, clock: Callable[[], float] = time.time) -> FastAPI:
    """Return the application; ``target`` is any URL of kairos', such as ``redis://localhost``."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncTimeseries(target, type="count", intervals=INTERVALS, clock=clock) as hits:
            app.state.hits = hits
            yield

    app = FastAPI(title="kairos: hits", lifespan=lifespan)

    @app.middleware("http")
    async def count(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        route = request.scope.get("route")  # the template of the path, so that there are few names
        if route is not None:
            await request.app.state.hits.insert(f"{request.method} {route.path}")
        return response

    @app.get("/hello/{name}")
    async def hello(name: str) -> dict[str, str]:
        return {"hello": name}

    @app.get("/hits/{interval}")
    async def hits(request: Request, interval: str, name: str, steps: int = 60) -> dict[int, int]:
        try:
            found: dict[int, int] = await request.app.state.hits.series(
                name, interval, steps=steps, condense=True
            )
        except UnknownInterval as error:
            raise HTTPException(404, f"there are: {', '.join(INTERVALS)}") from error
        return found

    return app


app = create_app(os.environ.get("HITS", "memory://hits"))
