"""The dashboard hears of what happens at a service."""

from __future__ import annotations

from threading import Event, Thread
from uuid import uuid4

from dashboards.news import News
from tams_data.client import TamsClient
from tests.api.process import Service


def test_what_happens_at_a_service_is_counted(service: Service):
    heard = Event()

    def create_flows() -> None:
        with TamsClient(service.url) as client:
            while not heard.wait(0.1):
                client.put_flow({"id": str(uuid4()), "source_id": str(uuid4()), "format": "urn:x-nmos:format:multi"})

    writer = Thread(target=create_flows)
    writer.start()
    with TamsClient(service.url) as client:
        news = News(client)
        counts = news.listen()
        assert [next(counts), next(counts)] == [1, 2]
        assert news.count == 2
        heard.set()
        writer.join()
        counts.close()
