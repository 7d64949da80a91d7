"""Who makes a bundle: the built-in bundler, or the aicr command."""
