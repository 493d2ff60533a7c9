"""The exam without a database: questions proposed from points, papers drawn, answers marked. Pure functions."""
