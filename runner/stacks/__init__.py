"""The stacks the integration tests run on."""
