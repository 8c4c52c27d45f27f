"""One night: its lock, its steps, its workers and its end. It holds no rule about data."""
