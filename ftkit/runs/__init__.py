"""What training leaves on disk: run directories, opened, checked and proven."""
