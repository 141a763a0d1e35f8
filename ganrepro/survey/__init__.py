"""The survey, "real or fake?": its design, its answers on disk, the server, and what follows from the answers."""
