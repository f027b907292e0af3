"""What turns a manifest into tasks: the port, the default, the gallery sample, the registry."""
