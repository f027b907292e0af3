"""What holds for every unit test: examples take as long as they take; machines are busy."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
