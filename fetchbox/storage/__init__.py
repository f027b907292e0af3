"""Object storage: its port and the obstore adapter. Never buffers a body whole."""
