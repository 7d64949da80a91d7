"""How a bundle gets to where a controller pulls it, and the digest that it has there."""
