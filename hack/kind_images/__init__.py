"""The images of the Kind runtime, made here from what the host runtime is made of: for machines that pull none."""
