"""A spider whose items are the URLs of a list, stored by FilesPipeline. Runs where Scrapy is.

python scrapy_spider.py URLS S3 BUCKET IN_FLIGHT
"""

import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from scrapy import Spider, signals
from scrapy.crawler import CrawlerProcess


class Files(Spider):  # type: ignore[misc]  # Scrapy is only in the peers' environment
    """One item per URL; nothing is parsed."""

    name = "files"
    urls: Sequence[str] = ()
    #: Wall and CPU clock when the first item was asked for, and when the last one was stored.
    began = ended = (0.0, 0.0)

    async def start(self) -> AsyncIterator[dict[str, list[str]]]:
        """Begin the clock with the first item; it ends with the last, not when Scrapy notices."""
        self.crawler.signals.connect(self.look_at_clock, signals.item_scraped)
        Files.began = (time.perf_counter(), time.process_time())
        for url in self.urls:
            yield {"file_urls": [url]}

    def look_at_clock(self) -> None:
        """Remember when this item was stored."""
        Files.ended = (time.perf_counter(), time.process_time())


def settings_of(s3: str, bucket: str, in_flight: int) -> dict[str, Any]:
    """Return the settings: no waiting, no cookies, as many threads for S3 as requests."""
    return {
        "ITEM_PIPELINES": {"scrapy.pipelines.files.FilesPipeline": 1},
        "FILES_STORE": f"s3://{bucket}/scrapy/",
        "AWS_ENDPOINT_URL": s3,
        "AWS_USE_SSL": False,
        "AWS_REGION_NAME": os.environ["AWS_REGION"],
        "AWS_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
        "AWS_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
        "CONCURRENT_REQUESTS": in_flight,
        "CONCURRENT_REQUESTS_PER_DOMAIN": in_flight,
        "CONCURRENT_ITEMS": in_flight,
        "REACTOR_THREADPOOL_MAXSIZE": in_flight,
        "DOWNLOAD_DELAY": 0,
        "COOKIES_ENABLED": False,
        "ROBOTSTXT_OBEY": False,
        "RETRY_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "LOG_LEVEL": "ERROR",
    }


def main() -> None:
    """Crawl, then say how long it took."""
    _, urls, s3, bucket, in_flight = sys.argv
    Files.urls = Path(urls).read_text().splitlines()
    process = CrawlerProcess(settings_of(s3, bucket, int(in_flight)))
    process.crawl(Files)
    process.start()
    seconds, cpu_s = (end - begin for begin, end in zip(Files.began, Files.ended, strict=True))
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s}))


if __name__ == "__main__":
    main()
