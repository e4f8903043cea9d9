"""The player of a service that asks for credentials: the browser gets a token that was lent for it, and no other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from dashboards.bars import Row
from dashboards.clock import Clock
from dashboards.player import Player
from tams_data.client import TamsClient
from tams_data.timerange import TimeRange
from tests.api.access.people import Guarded, entry
from tests.api.builders import video_flow


def test_a_browser_is_lent_a_token_to_play_with(tmp_path: Path) -> None:
    with Guarded(tmp_path, entry("t0ken")) as service, TamsClient(service.url, "t0ken") as client:
        flow = video_flow()
        client.put_flow(flow)
        player = Player(client, clock=Clock(), media_url="https://public.example/")
        row = Row(flow["id"], "x", flow["source_id"], flow["format"], flow["codec"], 0, 10, 1, 10, None)
        asyncio.run(player.open(row, 0))
        url = player.stretch_url(flow["id"], TimeRange(0, 10))
        assert url.startswith(f"https://public.example/flows/{flow['id']}/stretch.mp4?timerange=")
        assert "t0ken" not in url
        here = url.replace("https://public.example", service.url)
        assert httpx.get(here).status_code == 400, "there is nothing to play"
        assert httpx.get(here.partition("&access_token")[0]).status_code == 401
