"""What people do between nights. Whatever changes something takes the lock of the project first."""
