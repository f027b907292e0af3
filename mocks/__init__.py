"""The peers of a test: what WireMock cannot play. One process, standard library and a certificate.

    python -m mocks                                    # compose: 0.0.0.0, the fixed ports below
    python -m mocks --host 127.0.0.1 --free --ca-out ca.pem --relay minio=0:127.0.0.1:9000

The first line on stdout names every bound port: {"control": 18000, "origin": 18001, ...}.
Requests belong to a test by the case id in their path, `/c/<case>/...`, and by nothing else.

origin 18001, tls_origin 18443 (certificate for localhost, 127.0.0.1, peers, each --tls-name)
    GET /c/<case>/<behaviour>[/<args>][?options]; mocks/behaviours.py has one function for each:
    bytes/<n>?type=&chunked=1&gzip=1&status=&seed=   body_of(seed or case, n), exact size
    eof/<n>                          no length, ended by closing
    status/500,503,200?retry-after=1&size=64         the k-th request (of this very target) gets
                                     the k-th status, the last one stays; body_of(case, size)
    reset?after=N | empty | garbage  TCP reset (before the answer, or after N bytes); close; no HTTP
    malformed-chunk?close=1          a good chunk, 50 ms later a broken one; then silence, or close
    short/<announced>/<sent>         fewer bytes than Content-Length
    drip/<n>?chunk=1&every=100       slowly
    hang?after=N                     no answer, or silence after N bytes
    hold/<n>                         like bytes, but waits for POST /release?case=
    redirect/<n>?status=302 | redirect-loop | redirect-to?url=&status=     (no url: no Location)
    echo                             {"method", "target", "headers": [[name, value], ...]}
proxies (plain and CONNECT)
    proxy 18002 open, proxy_502 18003, proxy_407 18004, proxy_auth 18005 (--proxy-auth fetch:box),
    proxy_connect_403 18006, proxy_connect_502 18007 (both let plain requests pass),
    proxy_hang 18008 (never answers)
relays  --relay NAME=PORT:TARGET_HOST:TARGET_PORT; in compose iggy 18090, minio 19000
control 18000
    GET /healthz | GET /ports | GET /proxies (counters by proxy name)
    GET /journal?case=&role=         {"entries": [Entry], "open": n, "peak": n} (mocks/journal.py):
                                     role, case, method, target, headers, via, user, at_ms, done_ms,
                                     status, sent, received, ended. `via` names the proxy above that
                                     a request at an origin came through, "" = direct; open and peak
                                     count simultaneous requests of the case at role (origin)
    DELETE /journal?case=            forget entries, turns and gate of the case
    POST /release?case=              open the gate of `hold`, for good
    GET /relay/<name>                {"port", "target", "open", "connections", "cuts"}
    POST /relay/<name>/cut?ms=5000   drop connections, refuse new ones; heals itself (0: not)
    POST /relay/<name>/heal

In-process: `async with mocks.peers.open_peers(Options()) as peers: peers.ports["origin"]`.
"""
