"""What rooms here need of HTTP: connections that keep a deadline, and what peers wrote made fit to be shown."""
