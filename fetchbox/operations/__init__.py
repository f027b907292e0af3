"""What operators trigger: provisioning, replay, retention of topics."""
