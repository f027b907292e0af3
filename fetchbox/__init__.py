"""FetchBox: take a manifest of URLs over HTTP, download each through proxies, store it in S3."""
