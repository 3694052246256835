"""`python -m compute`: the command line without its installed script."""

from compute.cli.main import main

if __name__ == "__main__":
    main()
