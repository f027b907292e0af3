"""What travels on the broker: the generated bindings and the codec.

The public package for direct producers.
"""
