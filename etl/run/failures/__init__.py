"""What a failed step leaves in data/failures: all that it takes to run it again, on another machine too."""
