"""What is sent: the head of a GET."""

from fetchbox.fetch.errors import InvalidHeaderError
from fetchbox.fetch.route import Hop, ProxyAddress


def request_head(hop: Hop, proxy: ProxyAddress | None) -> bytes:
    """Write the head; a proxy's credentials stand in it only where the proxy is who reads it."""
    url = hop.url
    is_plain_proxy = proxy is not None and url.scheme == "http"
    target = str(url.with_fragment(None)) if is_plain_proxy else url.raw_path_qs
    lines = [f"GET {target} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
    lines += [f"{name}: {value}" for name, value in hop.headers.items()]
    if proxy is not None and is_plain_proxy and proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    head = "\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count("\n") != breaks or head.count("\r") != breaks or "\0" in head:
        raise InvalidHeaderError
    try:
        return f"{head}\r\n\r\n".encode()
    except UnicodeError:
        raise InvalidHeaderError from None
