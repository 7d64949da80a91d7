"""What every test has in common."""

import os

# A container engine on the machine must not change what a test is about: those of Kind ask for it.
os.environ["RUNTIME"] = "host"
