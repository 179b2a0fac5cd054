"""Small programs whose start is measured: each says "ready" when its component is wired, and ends with its input."""
