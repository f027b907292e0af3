"""One HTTP GET: its port and the client adapter. Never retries; never picks a proxy."""
