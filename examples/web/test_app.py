"""The application, as a server would run it: opened and closed by its lifespan."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from kairos.errors import Closed


@pytest.fixture
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kairos_example_app", Path(__file__).with_name("app.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_requests_are_counted_and_shown_and_the_timeseries_is_closed_in_the_end(module: ModuleType) -> None:
    async def main() -> None:
        app = module.create_app("memory://example", clock=lambda: 120)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://t") as client,
        ):
            await asyncio.gather(*(client.get(f"/hello/{n}") for n in range(50)))
            assert (await client.get("/nowhere")).status_code == 404
            shown = await client.get("/hits/minute", params={"name": "GET /hello/{name}", "steps": 2})
            assert shown.json() == {"60": 0, "120": 50}
            shown = await client.get("/hits/day", params={"name": "GET /hello/{name}", "steps": 1})
            assert shown.json() == {"0": 50}
            assert (await client.get("/hits/week", params={"name": "x"})).status_code == 404
        with pytest.raises(Closed):
            await app.state.hits.list()

    asyncio.run(main())
