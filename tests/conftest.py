"""What every test has in common."""

import os

from hypothesis import settings

# A container engine on the machine must not change what a test is about: those of Kind ask for it.
os.environ["RUNTIME"] = "host"

# By default an example that takes more than 200 ms fails its test: that is a fact about the machine.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")
