"""`python -m ftkit` and `accelerate launch -m ftkit`: the same command line as `ftkit`."""

from ftkit.cli import main

if __name__ == "__main__":
    main()
